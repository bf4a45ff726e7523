import { randomBytes } from 'node:crypto'
import { callback, genuineAgent } from './callback.js'
import { type Command, command } from './command.js'
import { type Answered, exchange } from './exchange.js'
import { meaningOf } from './meanings.js'
import { headerValue, httpUrl, jsonObject, text, whole } from './readers.js'
import { plain, shownUrl } from './terminal.js'

export const send: Command = command({
  name: 'send',
  summary: 'post a callback to an endpoint, and explain its response',
  notes:
    'A token is part of the URL: give the URL of a request unchanged. Nothing signs a callback, so a forged one has the form of a genuine one; --forged marks it with an edit that no reviewer made, {"forged":true}, and a handler that receives it trusts callbacks. Exits with 0 if the receiver accepted it with a 2xx, or refused what it should refuse: a forged callback, a random id, another User-Agent.',
  examples: [
    'http://localhost:3000/webhooks/cheqpoint',
    'http://localhost:3000/webhooks/cheqpoint --id req_abc123 --forged',
    'http://localhost:3000/webhooks/cheqpoint --id req_abc123 --duplicate 9',
  ],
  options: {
    url: { operand: true, required: true, value: 'URL', read: httpUrl, about: 'where to post it' },
    id: { value: 'ID', read: text, otherwise: 'a random unknown id', about: 'approval id' },
    status: { value: 'WORD', read: text, default: 'approved', about: 'claimed status: approved, rejected' },
    note: { value: 'TEXT', read: text, otherwise: 'no note', about: "the reviewer's note" },
    modified: { value: 'JSON', read: jsonObject, otherwise: 'no edit', about: 'the edited details' },
    forged: { about: 'claim an edit that no reviewer made' },
    duplicate: { value: 'N', read: whole(0, 100), default: '0', about: 'extra copies to send at the same time' },
    count: { value: 'N', read: whole(1, 1_000), default: '1', about: 'how often to send them, one after another' },
    agent: { value: 'TEXT', read: headerValue, default: genuineAgent, about: 'the User-Agent' },
  },
  async run(given, { paint }) {
    const { url, status, forged } = given
    const approvalId = given.id ?? `req_nobody_${randomBytes(4).toString('hex')}`
    const modifiedDetails = given.modified ?? (forged ? { forged: true } : null)
    const claimed = { approvalId, status, modifiedDetails, decisionNote: given.note ?? null }
    const mayBeRefused = forged || given.id === undefined || given.agent !== genuineAgent
    const copies = Array.from({ length: 1 + given.duplicate }, () => callback(claimed, { 'user-agent': given.agent }))
    const answers: Answered[] = []
    for (let round = 0; round < given.count; round++) {
      answers.push(...(await Promise.all(copies.map((copy) => exchange(url, copy)))))
    }
    const explained = answers.map((answer) => {
      const { status, ms, body } = answer
      return { status, ms, body: body.slice(0, 1_000), ...meaningOf(answer) }
    })
    const lines = [paint('dim', `POST ${shownUrl(url)}`), paint('dim', plain(JSON.stringify(claimed)))]
    for (const [at, { status, ms, body, meaning, worry }] of explained.entries()) {
      const style = worry ? 'red' : status < 300 ? 'green' : 'yellow'
      const news = meaning !== explained[at - 1]?.meaning
      lines.push(...(news ? ['', meaning] : []))
      lines.push(`  ${paint(style, String(status))} in ${ms} ms  ${paint('dim', plain(body.slice(0, 160)))}`)
    }
    const verdict = forged ? verdictOn(explained.map(({ word }) => word)) : null
    return {
      text: [...lines, ...(verdict === null ? [] : ['', verdict])].join('\n'),
      document: { approvalId, sent: claimed, responses: explained, verdict },
      exit: explained.every(({ status, worry }) => !worry && (status < 300 || mayBeRefused)) ? 0 : 1,
    }
  },
})

function verdictOn(words: readonly (string | null)[]): string {
  if (words.includes(null)) return 'It was forged, and its effect at the endpoint is unknown.'
  if (!words.includes('handled')) return 'It was forged, and nothing ran because of its claims.'
  return 'It was forged. The handler got the decision of the API instead.'
}
