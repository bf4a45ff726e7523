import { describe, expect, it } from 'vitest'
import { meaningOf } from '../../src/cli/meanings.js'
import { type Outcome, toResponse } from '../../src/index.js'
import { quoted, tableRows } from '../support/blocks.js'
import { cli, cliJson, openWorld, secrets } from '../support/cli.js'
import { closedPort, misbehave } from '../support/misbehaving-server.js'

const stranger = { word: 'unknown-approval', worry: false, status: 404 }

describe('send', { timeout: 60_000 }, () => {
  it('posts a callback as Cheqpoint does, and exits with 0 if an unknown id is refused', async () => {
    const receiver = await misbehave((request, response) => {
      request.resume().on('end', () => response.writeHead(200).end())
    })
    await cli(['send', receiver.url, '--id', 'req_1'])
    expect(receiver.requests[0]).toMatchObject({
      method: 'POST',
      headers: { 'user-agent': 'Cheqpoint-Callback/1.0', 'content-type': 'application/json' },
    })
    const { url } = await openWorld()
    const { code, document } = await cliJson(['send', url, '--note', 'Fine', '--modified', '{"amount":90}'])
    expect(code).toBe(0)
    expect(document).toEqual({
      approvalId: expect.stringMatching(/^req_nobody_\w{8}$/),
      sent: {
        approvalId: expect.stringMatching(/^req_nobody_/),
        status: 'approved',
        modifiedDetails: { amount: 90 },
        decisionNote: 'Fine',
      },
      responses: [
        {
          ...stranger,
          ms: expect.any(Number),
          body: expect.stringContaining('Unknown approval'),
          meaning: expect.stringMatching(/nothing ran/),
        },
      ],
      verdict: null,
    })
  })

  it('shows that a forged approval has no effect while the request is undecided', async () => {
    const { url, submit, decisions } = await openWorld()
    const { code, document } = await cliJson(['send', url, '--id', await submit(), '--forged'])
    expect(code).toBe(0)
    expect(document).toMatchObject({
      sent: { status: 'approved', modifiedDetails: { forged: true } },
      responses: [{ status: 202, word: 'undecided', worry: false }],
      verdict: 'It was forged, and nothing ran because of its claims.',
    })
    expect(decisions).toEqual([])
  })

  it('shows that a forged approval of a rejected request runs as a rejection', async () => {
    const { url, submit, simulator, decisions } = await openWorld()
    const id = await submit()
    simulator.decide(id, { status: 'rejected' })
    const { code, document } = await cliJson(['send', url, '--id', id, '--forged'])
    expect(code).toBe(0)
    expect(document).toMatchObject({
      responses: [{ status: 200, word: 'handled' }],
      verdict: expect.stringMatching(/got the decision of the API/),
    })
    expect(decisions).toMatchObject([{ status: 'rejected', modifiedDetails: null }])
  })

  it('shows that parallel and sequential duplicates run the handler once', async () => {
    const { url, submit, simulator, decisions } = await openWorld()
    const id = await submit()
    simulator.decide(id, { status: 'approved' })
    const { code, stdout } = await cli(['send', url, '--id', id, '--duplicate', '2', '--count', '2'])
    expect(code).toBe(0)
    // Copies of a running delivery get a response at once; later copies get the first one's response.
    const words = [...stdout.matchAll(/^ {2}20[02] in \d+ ms {2}\{"result":"(handled|in-progress)"\}$/gm)]
    expect(words).toHaveLength(6)
    expect(words.slice(3).map(([, word]) => word)).toEqual(['handled', 'handled', 'handled'])
    expect(words.slice(0, 3).map(([, word]) => word)).toContain('handled')
    expect(decisions).toHaveLength(1)
  })

  it('sends the token in the URL unchanged, and does not print it', async () => {
    const { url, submit, urlOf, simulator, decisions } = await openWorld({ callbackSecret: secrets.callback })
    const id = await submit()
    simulator.decide(id, { status: 'approved' })
    expect((await cliJson(['send', url, '--id', id])).document).toMatchObject({
      responses: [{ status: 401, word: 'token-refused' }],
    })
    const { code, stdout } = await cli(['send', urlOf(id), '--id', id])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^POST http:\/\/127\.0\.0\.1:\d+\/webhooks\/cheqpoint\?…$/m)
    expect(stdout).not.toContain(new URL(urlOf(id)).searchParams.get('cq'))
    expect(decisions).toHaveLength(1)
  })

  it('exits with 0 if a forged callback is refused', async () => {
    const { url, submit, decisions } = await openWorld({ callbackSecret: secrets.callback })
    const { code, document } = await cliJson(['send', url, '--id', await submit(), '--forged'])
    expect(code).toBe(0)
    expect(document).toMatchObject({
      responses: [{ status: 401, word: 'token-refused', worry: false }],
      verdict: 'It was forged, and nothing ran because of its claims.',
    })
    expect(decisions).toEqual([])
  })

  it('refuses an agent that no header can have', async () => {
    for (const agent of ['ünï ☃', 'two\nlines', ' padded']) {
      expect(await cliJson(['send', 'http://127.0.0.1:9', '--agent', agent])).toMatchObject({
        code: 2,
        document: { error: { code: 'option-invalid', message: expect.stringContaining('printable ASCII') } },
      })
    }
  })

  it('explains the refusal of another agent', async () => {
    const { url } = await openWorld()
    const { code, document } = await cliJson(['send', url, '--agent', 'curl/8'])
    expect(code).toBe(0)
    expect(document).toMatchObject({ responses: [{ status: 403, word: 'agent-refused' }] })
  })

  it('fails if a receiver refuses a given approval', async () => {
    const { url } = await openWorld()
    const { code, document } = await cliJson(['send', url, '--id', 'req_of_another_receiver'])
    expect(code).toBe(1)
    expect(document).toMatchObject({ responses: [stranger] })
  })

  it('reports a problem if the handler fails, even with a 2xx', async () => {
    const { url, submit, simulator } = await openWorld({
      onDecision: () => {
        throw new Error('no')
      },
    })
    const id = await submit()
    simulator.decide(id, { status: 'approved' })
    const { code, document } = await cliJson(['send', url, '--id', id])
    expect(code).toBe(1)
    expect(document).toMatchObject({ responses: [{ status: 202, word: 'handler-failed', worry: true }] })
  })

  it.each([
    ['a page that answers 200 to everything', 200, {}, '<h1>Hello\u001b[2J</h1>', /No receiver of this library/],
    ['a page that is not found', 404, {}, 'Cannot POST', /Check the path/],
    ['a redirect', 302, { location: 'https://elsewhere.example' }, '', /its target URL/],
    [
      'a receiver of another version',
      200,
      { 'content-type': 'application/json' },
      '{"result":"teleported"}',
      /another version/,
    ],
  ])('does not accept %s as a receiver', async (_, status, headers, body, meaning) => {
    const server = await misbehave((request, response) => {
      request.resume().on('end', () => response.writeHead(status, headers).end(body))
    })
    const { code, document } = await cliJson(['send', server.url, '--forged'])
    expect(code).toBe(1)
    expect(document).toMatchObject({ responses: [{ status, worry: true, meaning: expect.stringMatching(meaning) }] })
    expect((await cli(['send', server.url])).stdout).toMatch(meaning)
  })

  it('reports that nothing listens', async () => {
    const port = await closedPort()
    expect(await cliJson(['send', `http://user:${secrets.store}@127.0.0.1:${port}/hook?cq=token`])).toEqual({
      code: 3,
      failed: true,
      document: {
        error: {
          code: 'unreachable',
          message: `http://127.0.0.1:${port} could not be reached: nothing listens there`,
          fix: 'start the server, or correct host and port',
        },
      },
    })
  })
})

describe('the meaning of a response', () => {
  const kinds = tableRows('docs/reference.md', 'answers').flatMap(([names = '']) => quoted(names.split('(')[0] ?? ''))

  it.each(kinds)('is known for %s, swept or not', (kind) => {
    // Another test checks that the table of docs/reference.md names every kind.
    const outcome = { kind, approvalId: 'req_1', retryAfterMs: 1_000 } as Outcome
    const told = [true, false].map((swept) => meaningOf({ ...toResponse(outcome, { swept }), ms: 1 }))
    expect(told[0]).toEqual(told[1])
    expect(told[0]?.word).toBe(kind)
    expect(told[0]?.meaning).toMatch(/^[A-Z].*[.]$/)
    expect(told[0]?.meaning).not.toMatch(/another version/)
  })
})
