import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { callback, genuineAgent, wordOf } from './callback.js'
import { type Check, type Checkup, failed, found } from './checks.js'
import { type Answered, exchange, type Sent } from './exchange.js'
import { meaningOf } from './meanings.js'
import { shownUrl } from './terminal.js'

/** Posts callbacks that a receiver must refuse, each for another reason, and compares the responses with the table. */
export async function checkCallback(url: URL | undefined): Promise<Checkup> {
  const checks: Check[] = []
  if (url === undefined) checks.push(found('reachable', 'skipped', 'not checked', 'give --callback-url'))
  else await check(url, checks).catch((error: unknown) => checks.push(failed('reachable', error)))
  return { group: 'callback', target: url === undefined ? '' : shownUrl(url), checks }
}

async function check(url: URL, checks: Check[]): Promise<void> {
  const answer = await exchange(url, callback(claimed))
  const word = wordOf(answer)
  checks.push(found('reachable', 'ok', `answers in ${answer.ms} ms`), encryption(url))
  if (word !== 'unknown-approval' && word !== 'token-refused') {
    const message = `${answer.status}: ${meaningOf(answer).meaning}`
    checks.push(found('unknown id', 'failure', message, 'a receiver answers 404, or 401 if it requires a token'))
    return
  }
  checks.push(found('unknown id', 'ok', `${answer.status} ${word}`), caching(answer))
  checks.push(method(await exchange(url, { method: 'GET', headers: { 'user-agent': genuineAgent } })))
  for (const probe of probes) checks.push(judge(probe, await exchange(url, probe.sent), word === 'token-refused'))
}

const approvalId = `doctor_${randomBytes(8).toString('hex')}`
const claimed = { approvalId, status: 'approved', modifiedDetails: null, decisionNote: null }
const body = JSON.stringify(claimed)

interface Probe {
  readonly check: string
  readonly sent: Sent
  /** Status of a receiver's response. */
  readonly expected: number
  /** Cause and fix if a receiver refuses it for another reason. */
  readonly otherwise: readonly [message: string, fix: string]
}

const probes: readonly Probe[] = [
  {
    check: 'other agent',
    sent: callback(claimed, { 'user-agent': 'Mozilla/5.0' }),
    expected: 403,
    otherwise: ['any User-Agent is accepted', 'leave the option agents at its default'],
  },
  {
    check: 'malformed',
    sent: callback('{"approvalId":'),
    expected: 400,
    otherwise: ['a body that is not JSON was read', 'check what parses bodies before the receiver'],
  },
  {
    check: 'encoded',
    sent: callback(gzipSync(body), { 'content-encoding': 'gzip' }),
    expected: 415,
    otherwise: ['the body was decompressed', 'check what decompresses bodies before the receiver'],
  },
  {
    check: 'too large',
    sent: callback(body.padEnd(300_000)),
    expected: 413,
    otherwise: ['a body of 300,000 bytes was read', 'lower callbacks.maxBodyBytes, unless this is intended'],
  },
]

/** Judges a response. One without a receiver's code is from something before it: a framework, a proxy. */
function judge({ check, expected, otherwise }: Probe, answer: Answered, tokenFirst: boolean): Check {
  const { status } = answer
  const word = wordOf(answer)
  const [message, fix] = otherwise
  if (status < 300) return found(check, 'failure', `${status} instead of ${expected}: it was accepted`, fix)
  if (word === null) return found(check, 'ok', before(status))
  if (status === expected) return found(check, 'ok', `${status} ${word}`)
  if (tokenFirst && word === 'token-refused') {
    return found(check, 'skipped', 'the token is checked first', 'give a URL made by receiver.callbackUrl()')
  }
  return found(check, 'warning', `${status} ${word} instead of ${expected}: ${message}`, fix)
}

function method(answer: Answered): Check {
  const { status, headers } = answer
  if (wordOf(answer) === 'method-not-allowed') return found('GET', 'ok', `405, Allow: ${headers['allow']}`)
  if (status >= 300) return found('GET', 'ok', before(status))
  return found('GET', 'warning', `${status}: something else answers at this path`, 'give callbacks a path of their own')
}

function before(status: number): string {
  return `${status}, refused before it reached the receiver`
}

function caching({ headers }: Answered): Check {
  if (String(headers['cache-control']).includes('no-store')) return found('caching', 'ok', 'no-store')
  return found('caching', 'warning', 'cache-control: no-store was lost', 'check the proxy in front of the receiver')
}

function encryption({ protocol, hostname }: URL): Check {
  if (protocol === 'https:') return found('encryption', 'ok', 'TLS, certificate verified')
  if (/^(localhost|127\.|\[::1\]$)/.test(hostname)) return found('encryption', 'ok', 'none, on this machine')
  return found('encryption', 'warning', 'none: others on the network can read the token in the URL', 'use https')
}
