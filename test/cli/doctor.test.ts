import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { cli, cliJson, openWorld, secrets } from '../support/cli.js'
import { path, socketHosts } from '../support/hosts.js'
import { closedPort, misbehave, misbehaveRaw } from '../support/misbehaving-server.js'
import { listenTls, selfSigned } from '../support/tls-server.js'

const withKey = { CHEQPOINT_CONNECTION_KEY: secrets.key }
/** Checks of targets that were not given. */
const notGiven = ['callback reachable skipped', 'store reachable skipped']

interface Examined {
  readonly code: number | null
  /** Each as `group check status`. */
  readonly rows: readonly string[]
  readonly found: (
    group: string,
    check: string,
  ) => { readonly message: string; readonly fix: string | null } | undefined
}

async function doctor(args: readonly string[], env: Readonly<Record<string, string>> = withKey): Promise<Examined> {
  const { code, document, failed } = await cliJson(['doctor', ...args], env)
  expect(failed).toBe(false)
  // A test below checks the shape.
  const { checks } = document as { readonly checks: readonly Record<string, string>[] }
  return {
    code,
    // The speed of this machine does not matter.
    rows: checks.map(
      ({ group, check, status }) =>
        `${group} ${check} ${check === 'reachable' ? status?.replace('warning', 'ok') : status}`,
    ),
    found: (group, check) => {
      const row = checks.find((each) => each['group'] === group && each['check'] === check)
      return row === undefined ? undefined : { message: row['message'] ?? '', fix: row['fix'] ?? null }
    },
  }
}

/** An API that accepts the key and knows no approval; the test changes its responses. */
const api =
  (change: RequestListener): RequestListener =>
  (request, response) => {
    response.statusCode = request.headers['x-api-key'] === secrets.key ? 404 : 401
    change(request, response)
    response.end('{}')
  }

describe('doctor, on the API', { timeout: 60_000 }, () => {
  it('passes on an accepted key', async () => {
    const { api } = await openWorld()
    const { code, rows, found } = await doctor(['--base-url', api])
    expect(code).toBe(0)
    expect(rows).toEqual(['api reachable ok', 'api encryption ok', 'api clock ok', 'api key ok', ...notGiven])
    expect(found('api', 'key')?.message).toBe('the key …9f3a is accepted')
  })

  it('prints one document with this shape', async () => {
    const { api } = await openWorld()
    const { document } = await cliJson(['doctor', '--base-url', api], withKey)
    expect(document).toMatchObject({ ok: true })
    expect(Object.keys(Object(document))).toEqual(['ok', 'checks'])
    for (const check of Object(document).checks) {
      expect(check).toEqual({
        group: expect.stringMatching(/^(api|callback|store)$/),
        check: expect.any(String),
        status: expect.stringMatching(/^(ok|warning|failure|skipped)$/),
        message: expect.any(String),
        fix: check.fix === null ? null : expect.any(String),
      })
    }
  })

  it('fails on a refused key, and reports a missing one as not checked', async () => {
    const { api } = await openWorld()
    const wrong = await doctor(['--base-url', api, '--api-key', 'cq_live_wrong_0000'])
    expect(wrong.code).toBe(1)
    expect(wrong.found('api', 'key')).toEqual({
      message: 'the key …0000 is refused (401)',
      fix: expect.stringContaining('copy it again'),
    })
    const none = await doctor(['--base-url', api], {})
    expect(none.code).toBe(0)
    expect(none.rows).toContain('api key skipped')
  })

  it('reports an API as unreachable if nothing listens, or a server without HTTP', async () => {
    const { code, rows, found } = await doctor(['--base-url', `http://127.0.0.1:${await closedPort()}`])
    expect({ code, rows }).toEqual({ code: 3, rows: ['api reachable failure', ...notGiven] })
    expect(found('api', 'reachable')?.message).toMatch(/nothing listens there/)
    const { url } = await misbehaveRaw('SSH-2.0-OpenSSH_9.2\r\n', (socket) => socket.end())
    const other = await doctor(['--base-url', url])
    expect(other.code).toBe(3)
    expect(other.found('api', 'reachable')?.message).toMatch(/speaks another protocol/)
  })

  it('fails on a redirect, names its target, and does not send the key there', async () => {
    const target = await misbehave(api(() => {}))
    const { url, requests } = await misbehave((_, response) => {
      response.writeHead(308, { location: `${target.url}/api/approvals/x?secret=y` }).end()
    })
    const { code, rows, found } = await doctor(['--base-url', url])
    expect(code).toBe(3)
    expect(rows).toEqual(['api reachable failure', ...notGiven])
    expect(found('api', 'reachable')).toEqual({
      message: 'it redirects (308), which is never followed',
      fix: `set baseUrl to ${target.url}`,
    })
    expect(target.requests).toEqual([])
    expect(requests.map(({ headers }) => headers['x-api-key'])).toEqual([undefined])
  })

  it.each([
    ['five minutes behind', -300_000, 'failure', /30\d s ahead of|29\d s ahead of/],
    ['five minutes ahead', 300_000, 'failure', /30\d s behind|29\d s behind/],
    ['twenty seconds ahead', 20_000, 'warning', /\d\d s behind/],
    ['a second ahead', 1_000, 'ok', /agrees/],
  ])('compares the local clock with one that is %s', async (_, skewMs, status, message) => {
    const { url } = await misbehave(
      api((_, response) => response.setHeader('date', new Date(Date.now() + skewMs).toUTCString())),
    )
    const { code, rows, found } = await doctor(['--base-url', url])
    expect(rows).toContain(`api clock ${status}`)
    expect(found('api', 'clock')?.message).toMatch(message)
    expect(code).toBe(status === 'failure' ? 1 : 0)
  })

  it('does not report the key as accepted by a site that always responds with 404', async () => {
    const { url } = await misbehave((_, response) => response.writeHead(404).end('<h1>Not found</h1>'))
    const { code, rows } = await doctor(['--base-url', url])
    expect(code).toBe(0)
    expect(rows).toContain('api key warning')
  })

  it.each([
    ['answers with a page', 200, 'api key failure', 1],
    ['fails', 500, 'api reachable failure', 3],
  ])('fails if the API %s', async (_, status, row, exit) => {
    const { url } = await misbehave((_, response) => response.writeHead(status).end('<h1>Hello</h1>'))
    const { code, rows } = await doctor(['--base-url', url])
    expect(rows).toContain(row)
    expect(code).toBe(exit)
  })

  it('requires a trusted certificate, and certificate checks that are on', async () => {
    const keys: unknown[] = []
    const credentials = selfSigned()
    const { url } = await listenTls(
      credentials,
      api(({ headers }) => keys.push(headers['x-api-key'])),
    )
    const strange = await doctor(['--base-url', url])
    expect(strange.code).toBe(3)
    expect(strange.found('api', 'reachable')).toEqual({
      message: `${url} could not be reached: its certificate is not trusted`,
      fix: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    })

    const folder = mkdtempSync(join(tmpdir(), 'cheqpoint-cli-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'ca.pem'), credentials.cert)
    const trusted = await doctor(['--base-url', url], { ...withKey, NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') })
    expect(trusted.code).toBe(0)
    expect(keys.splice(0)).toEqual([undefined, secrets.key])
    expect(trusted.found('api', 'encryption')?.message).toBe('TLS, certificate verified')

    const blind = await doctor(['--base-url', url], {
      ...withKey,
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      NODE_NO_WARNINGS: '1',
    })
    expect(blind.code).toBe(1)
    expect(keys).toEqual([undefined])
    expect(blind.rows).toContain('api encryption failure')
    expect(blind.found('api', 'encryption')?.fix).toBe('unset NODE_TLS_REJECT_UNAUTHORIZED')
  })
})

describe('doctor, on the callback URL', { timeout: 60_000 }, () => {
  const callbackRows = (rows: readonly string[]): readonly string[] =>
    rows.filter((row) => row.startsWith('callback')).map((row) => row.slice('callback '.length))
  const all = [
    'reachable',
    'encryption',
    'unknown id',
    'caching',
    'GET',
    'other agent',
    'malformed',
    'encoded',
    'too large',
  ]

  it.each(socketHosts)('passes on a receiver on $name, without a run or an API call', async (host) => {
    const { api, receiver, decisions, simulator } = await openWorld()
    const { port, close } = await host.open(receiver)
    onTestFinished(close)
    const { code, rows, found } = await doctor(['--base-url', api, '--callback-url', `http://127.0.0.1:${port}${path}`])
    expect(callbackRows(rows)).toEqual(all.map((check) => `${check} ok`))
    expect(found('callback', 'unknown id')?.message).toBe('404 unknown-approval')
    expect(found('callback', 'GET')?.message).toBe(
      host.takes === 'POST' ? '404, refused before it reached the receiver' : '405, Allow: POST',
    )
    expect(found('callback', 'too large')?.message).toBe('413 body-too-large')
    expect(code).toBe(0)
    expect(decisions).toEqual([])
    // The two requests of doctor.
    expect(simulator.requests()).toHaveLength(2)
  })

  it('skips checks behind a required token, and makes them with a token', async () => {
    const { api, url, receiver } = await openWorld({ callbackSecret: secrets.callback })
    const without = await doctor(['--base-url', api, '--callback-url', url])
    expect(without.code).toBe(0)
    expect(callbackRows(without.rows)).toEqual(
      all.map((check) => `${check} ${['malformed', 'encoded', 'too large'].includes(check) ? 'skipped' : 'ok'}`),
    )
    expect(without.found('callback', 'unknown id')?.message).toBe('401 token-refused')
    const token = new URL(receiver.callbackUrl().url).search
    const { code, stdout } = await cli(['doctor', '--base-url', api, '--callback-url', url + token])
    expect(code).toBe(0)
    expect(stdout).not.toContain(token)
    expect(stdout.match(/^ {2}✓ .*4\d\d/gm)).toHaveLength(6)
    expect(stdout).toContain('✓ unknown id   404 unknown-approval')
    expect(stdout).toContain('✓ too large    413 body-too-large')
  })

  it.each<[string, RequestListener, RegExp]>([
    [
      'a 404 page',
      (_, response) => response.writeHead(404).end('<h1>Not found</h1>'),
      /^404: Refused before it reached a receiver/,
    ],
    ['a page that answers 200', (_, response) => response.writeHead(200).end('<h1>Hi</h1>'), /^200: No receiver/],
    ['a redirect', (_, response) => response.writeHead(301, { location: '/x' }).end(), /^301: A redirect/],
    [
      'a handler that trusts callbacks',
      (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"result":"handled"}'),
      /^200: The API confirmed a decision/,
    ],
  ])('fails on %s, and makes no further checks', async (_, listener, message) => {
    const { api } = await openWorld()
    const { url } = await misbehave((request, response) => {
      request.resume().on('end', () => listener(request, response))
    })
    const { code, rows, found } = await doctor(['--base-url', api, '--callback-url', url])
    expect(code).toBe(1)
    expect(callbackRows(rows)).toEqual(['reachable ok', 'encryption ok', 'unknown id failure'])
    expect(found('callback', 'unknown id')?.message).toMatch(message)
  })

  it.each([
    ['warns of', 'refused with another code', 404, 'warning', 0],
    ['fails on', 'accepted', 200, 'failure', 1],
  ])('%s what is %s', async (_, __, status, severity, exit) => {
    const { api } = await openWorld()
    let asked = 0
    const { url } = await misbehave((request, response) => {
      const is = asked++ === 0 ? 404 : status
      const type = is < 300 ? 'application/json' : 'application/problem+json'
      const body = JSON.stringify({ code: 'unknown-approval', result: 'handled' })
      request.resume().on('end', () => response.writeHead(is, { 'content-type': type }).end(body))
    })
    const { code, rows, found } = await doctor(['--base-url', api, '--callback-url', url])
    expect(code).toBe(exit)
    expect(callbackRows(rows)).toEqual([
      'reachable ok',
      'encryption ok',
      'unknown id ok',
      'caching warning',
      `GET ${severity === 'failure' ? 'warning' : 'ok'}`,
      ...['other agent', 'malformed', 'encoded', 'too large'].map((check) => `${check} ${severity}`),
    ])
    const message = found('callback', 'other agent')?.message
    if (severity === 'failure') expect(message).toBe('200 instead of 403: it was accepted')
    else expect(message).toBe('404 unknown-approval instead of 403: any User-Agent is accepted')
  })

  it('reports a callback URL as unreachable if nothing listens', async () => {
    const { api } = await openWorld()
    const { code, stdout, stderr } = await cli(
      ['doctor', '--base-url', api, '--callback-url', `http://127.0.0.1:${await closedPort()}/hook`],
      withKey,
    )
    expect({ code, stderr }).toEqual({ code: 3, stderr: '' })
    expect(stdout).toMatch(
      /✗ reachable {4}http:\S+:\d+ could not be reached: nothing listens there\n +→ start the server/,
    )
    expect(stdout).toMatch(/^failures: 1, warnings: 0, not checked: 1$/m)
  })
})
