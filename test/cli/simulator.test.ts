import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { listenFailure, narrate } from '../../src/cli/simulator.js'
import { createTerminal } from '../../src/cli/terminal.js'
import { CheqpointError } from '../../src/index.js'
import { createSimulator } from '../../src/simulator/index.js'
import { cli, cliJson, secrets, startCli } from '../support/cli.js'
import { until } from '../support/redis-server.js'
import { callInside, openSink } from '../support/simulator-sink.js'

const submission = { action: 'process_refund', summary: 'Refund $120', details: { orderId: '8842' } }

/** Starts a simulator. Resolves with its address once it is printed. */
async function start(args: readonly string[]) {
  const { child, lines } = startCli(['simulator', '--port', '0', ...args])
  await until(() => lines.some((line) => line.includes('http://')))
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(lines.join('\n'))?.[0] ?? ''
  return { child, lines, url }
}

describe('simulator', { timeout: 60_000 }, () => {
  it('prints its address, its page, its key, and a curl command that works', async () => {
    const { lines, url } = await start(['--callback-url', "http://127.0.0.1:9/it's?a=b"])
    await until(() => lines.includes('Ctrl-C ends it.'))
    expect(lines[0]).toBe(`A local Cheqpoint  ${url}`)
    expect(lines).toContain(`  page      ${url}/`)
    expect(lines).toContain('  key       cq_live_local')
    const curl = lines.slice(lines.findIndex((line) => line.startsWith('curl'))).slice(0, 2)
    const answer: unknown = JSON.parse(
      execFileSync('sh', ['-c', curl.join('\n').replace('curl ', 'curl -s ')], { encoding: 'utf8' }),
    )
    expect(answer).toMatchObject({ status: 'pending', approvalId: expect.stringMatching(/^req_/) })
    await until(() =>
      lines.some((line) => /^\d\d:\d\d:\d\d {2}request {3}req_\w+ {2}process_refund: Refund \$120/.test(line)),
    )
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('closes cleanly on %s, held submissions included', async (signal) => {
    const { child, lines, url } = await start([])
    const headers = { 'x-api-key': 'cq_live_local', 'content-type': 'application/json' }
    const body = JSON.stringify({ ...submission, maxWaitMs: 10_000 })
    const held = fetch(`${url}/api/webhooks/inbound`, { method: 'POST', headers, body }).catch(() => 'cut')
    await until(() => lines.some((line) => line.includes('request')))
    child.kill(signal)
    expect(await once(child, 'close')).toEqual([0, null])
    await held
    expect(lines.at(-1)).toBe('Closed.')
  })

  it('prints one document per line with --json, without the given key', async () => {
    const { child, lines, url } = await start(['--json', '--verbose', '--key', secrets.key])
    const headers = { 'x-api-key': secrets.key, 'content-type': 'application/json' }
    await fetch(`${url}/api/webhooks/inbound`, { method: 'POST', headers, body: JSON.stringify(submission) })
    await until(() => lines.length >= 3)
    child.kill('SIGINT')
    await once(child, 'close')
    expect(lines.join('\n')).not.toContain(secrets.key)
    const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT/)
    const request = { approvalId: expect.any(String), status: 'pending', said: 'process_refund: Refund $120' }
    expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
      { type: 'listening', url, page: `${url}/`, key: '…9f3a' },
      { type: 'request', at, ...request, body: submission.details },
      { type: 'call', at, approvalId: null, status: 200, said: 'POST /api/webhooks/inbound 200' },
      { type: 'closed' },
    ])
  })

  it('names the fix if its port is taken', async () => {
    const { url } = await start([])
    const port = new URL(url).port
    expect(await cliJson(['simulator', '--port', port])).toEqual({
      code: 1,
      failed: true,
      document: {
        error: {
          code: 'port-taken',
          message: `port ${port} is taken`,
          fix: 'stop what listens there, or give --port 0',
        },
      },
    })
    expect((await cli(['simulator', '--port', port])).stderr).toContain('--port 0')
  })

  it('says that its port needs more rights, not that it is taken', () => {
    const cause = Object.assign(new Error('listen EACCES'), { code: 'EACCES' })
    expect(listenFailure(80, new CheqpointError('argument-invalid', 'cannot listen', { cause }))).toMatchObject({
      code: 'port-taken',
      message: 'port 80 needs more rights',
      fix: 'give a port above 1023, or --port 0',
    })
  })

  it('prints one line per decision and callback, without payloads and tokens', async () => {
    const simulator = await createSimulator({ apiKey: 'k' })
    const sink = await openSink()
    onTestFinished(async () => {
      await simulator.close()
      await sink.close()
    })
    const printed = { quiet: [] as string[], verbose: [] as string[] }
    for (const how of ['quiet', 'verbose'] as const) {
      const output = { write: (text: string) => printed[how].push(text.slice(10, -1)) }
      narrate(simulator, how === 'verbose', createTerminal(output, {}, false))
    }
    const submit = async (): Promise<string> => {
      const body = JSON.stringify({ ...submission, callbackUrl: `${sink.url}?cq=token` })
      const answer = await callInside(simulator, '/api/webhooks/inbound', {
        method: 'POST',
        headers: { 'x-api-key': 'k' },
        body,
      })
      const { approvalId } = Object(await answer.json())
      return String(approvalId)
    }
    const [first, second] = [await submit(), await submit()]
    simulator.decide(first, { status: 'approved', note: 'Less\u001b[31m', modifiedDetails: { amount: 90 } })
    await simulator.settled()
    simulator.faults.drop = true
    simulator.decide(second, { status: 'rejected' })
    await simulator.settled()
    expect(printed.quiet).toEqual([
      `request   ${first}  process_refund: Refund $120`,
      `request   ${second}  process_refund: Refund $120`,
      `decision  ${first}  approved with an edit "Less\\u{1b}[31m"`,
      `callback  ${first}  ${sink.url}?… answered 200`,
      `decision  ${second}  rejected`,
      `callback  ${second}  ${sink.url}?… dropped on purpose`,
    ])
    expect(printed.verbose).toContain(`request   ${first}  process_refund: Refund $120  {"orderId":"8842"}`)
    expect(printed.verbose).toContain('call      POST /api/webhooks/inbound 200')
    expect(printed.verbose.join('\n')).toContain('"amount')
    expect([...printed.quiet, ...printed.verbose].join('\n')).not.toContain('token')
  })
})
