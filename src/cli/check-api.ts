import { randomBytes } from 'node:crypto'
import { type Client, createClient, isCheqpointError } from '../index.js'
import { type Check, type Checkup, failed, found } from './checks.js'
import { type Answered, exchange } from './exchange.js'
import { shownKey, shownUrl } from './terminal.js'

/** Half of a receiver's default time-out for the API. */
const slowMs = 2_500
const id = `doctor_${randomBytes(8).toString('hex')}`

/** Requests an approval that cannot exist: without a key, as a baseline, and then with the key. */
export async function checkApi(baseUrl: URL, key: string | undefined): Promise<Checkup> {
  const checks: Check[] = []
  // Created first: it refuses a URL to which no key must be sent.
  const client = createClient({ apiKey: key ?? 'none', baseUrl: baseUrl.href })
  try {
    const url = new URL(`${baseUrl.href.replace(/\/+$/, '')}/api/approvals/${id}`)
    const answer = await exchange(url, { method: 'GET', headers: { accept: 'application/json' } })
    const met = reachable(answer)
    const safe = encryption(baseUrl)
    checks.push(met)
    if (met.status !== 'failure') checks.push(safe, clock(answer))
    // Does not send the key to a server that does not respond like the API, or over an unencrypted connection.
    if (key === undefined) checks.push(noKey)
    else if (![met, safe].some(({ status }) => status === 'failure')) {
      checks.push(await checkKey(client, key, answer.status))
    }
  } catch (error) {
    checks.push(failed('reachable', error))
  } finally {
    await client.close()
  }
  return { group: 'api', target: shownUrl(baseUrl), checks }
}

const noKey = found('key', 'skipped', 'not given', 'set CHEQPOINT_CONNECTION_KEY')

function reachable({ status, headers, ms }: Answered): Check {
  if (status >= 300 && status < 400) {
    const location = String(headers['location'])
    const to = URL.canParse(location) ? new URL(location).origin : 'where the API itself answers'
    const message = `it redirects (${status}), which is never followed`
    return found('reachable', 'failure', message, `set baseUrl to ${to}`)
  }
  if (status >= 500) return found('reachable', 'failure', `fails (${status})`, 'wait, or check the proxy in between')
  if (ms <= slowMs) return found('reachable', 'ok', `answers in ${ms} ms`)
  const fix = 'check proxy and DNS, or raise confirm.timeoutMs'
  return found('reachable', 'warning', `answers in ${ms} ms`, fix)
}

/** Plain http to other machines was refused before. */
function encryption({ protocol }: URL): Check {
  if (protocol === 'http:') return found('encryption', 'ok', 'none, on this machine')
  if (process.env['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0') return found('encryption', 'ok', 'TLS, certificate verified')
  const message = 'certificates are not verified: a man in the middle can approve anything'
  return found('encryption', 'failure', message, 'unset NODE_TLS_REJECT_UNAUTHORIZED')
}

/** Ignores small differences: the date is in whole seconds, and the response took time to arrive. */
function clock({ headers }: Answered): Check {
  const aheadMs = Date.now() - Date.parse(String(headers['date'])) - 500
  if (Number.isNaN(aheadMs)) return found('clock', 'skipped', 'the API sends no date to compare with')
  const size = Math.abs(aheadMs)
  if (size <= 5_000) return found('clock', 'ok', 'agrees with the API')
  const message = `this machine is ${Math.round(size / 1_000)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the API`
  const fix = 'synchronise it (NTP): expiresAt and callback tokens are checked by this clock'
  return found('clock', size <= 60_000 ? 'warning' : 'failure', message, fix)
}

async function checkKey(client: Client, key: string, withoutKey: number): Promise<Check> {
  try {
    await client.get(id)
    return found('key', 'failure', 'the API knows an approval that cannot exist', 'check that --base-url is the API')
  } catch (error) {
    if (isCheqpointError(error, 'api-key-refused')) {
      const message = `the key ${shownKey(key)} is refused (${error.httpStatus})`
      return found('key', 'failure', message, 'copy it again; rotating it revoked the old one')
    }
    if (!isCheqpointError(error, 'api-not-found')) return failed('key', error)
    if (withoutKey !== 404) return found('key', 'ok', `the key ${shownKey(key)} is accepted`)
    const message = 'the response is 404 without a key too, so the key is not verified'
    return found('key', 'warning', message, 'check that --base-url is the API')
  }
}
