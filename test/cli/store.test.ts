import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { approvalKey, readApproval } from '../../src/approvals/entry.js'
import { cli, cliHere, cliJson, type Told, told } from '../support/cli.js'
import { details, type Entries, entriesOf, hour } from '../support/cli-entries.js'
import { type CliStore, cliStores } from '../support/cli-stores.js'
import { describeWith } from '../support/needs.js'

/** Runs in this process. */
const ask = async (args: readonly string[]): Promise<Told> => told(await cliHere([...args, '--json']))

describeWith('redis-server', 'the commands on Redis', () => commandsOn('redis'))
describeWith('postgres', 'the commands on Postgres', () => commandsOn('postgres'))
describe('the commands on SQLite', () => commandsOn('sqlite'))

function commandsOn(kind: keyof typeof cliStores): void {
  let opened: CliStore
  let at: readonly string[]
  let entries: Entries
  beforeAll(async () => {
    opened = await cliStores[kind]()
    at = opened.at
    entries = entriesOf(opened.store)
    await entries.pending('open-0', 0)
    await entries.reserved('between-the-pages')
    await entries.inProgress('open-1')
    await entries.pending('open-2', 2 * hour)
    await entries.pending('open-3', 3 * hour)
    await entries.parked('parked-0', 'edit-invalid', '/amount', 'bot')
    await entries.unconfirmed('ref-0', ['req_claimed'])
  })
  afterAll(async () => {
    await opened.close()
  })

  const open = (n: number) => ({
    ...{ approvalId: `open-${n}`, action: 'process_refund', assistant: null },
    ...{ state: n === 1 ? 'in-progress' : 'pending', attempts: 0 },
  })
  const stateOf = async (id: string) => readApproval(await opened.store.read(approvalKey(id)))

  it('list open approvals, the first due on top, with payloads only on request', async () => {
    const { code, document } = await ask(['pending', ...at])
    expect(code).toBe(0)
    const times = { ageMs: expect.any(Number), dueInMs: expect.any(Number) }
    expect(document).toEqual({ items: [0, 1, 2, 3].map((n) => ({ ...open(n), ...times })), cursor: null })
    expect((await ask(['pending', ...at, '--details'])).document).toMatchObject({
      items: [{ details: { orderId: '8842', amount: 120 }, context: null, decision: null }, {}, {}, {}],
    })
    const { stdout } = await cliHere(['pending', ...at, '--details'])
    expect(stdout.split('\n').filter((line) => !line.startsWith(' '))).toEqual([
      expect.stringMatching(/^approval id {2}action {10}state {8}age {2}\s*attempts {2}due in$/),
      expect.stringMatching(/^open-0 {7}process_refund {2}pending {6}\d+ s +0 +(\d+ s ago|0 s)$/),
      expect.stringMatching(/^open-1 {7}process_refund {2}in-progress {2}\d+ s +0 +(60 min|1 h)$/),
      expect.stringMatching(/^open-2 {7}process_refund {2}pending {6}\d+ s +0 +2 h$/),
      expect.stringMatching(/^open-3 {7}process_refund {2}pending {6}\d+ s +0 +3 h$/),
      '',
    ])
    expect(stdout).toContain(`\n  details  ${details}\n`)
  })

  it('fill each page, even if entries in between are not shown', async () => {
    const first = await ask(['pending', ...at, '--limit', '2'])
    const { items, cursor } = Object(first.document)
    expect(items).toMatchObject([open(0), open(1)])
    expect(cursor).toMatch(/^[\w-]+$/)
    const rest = await ask(['pending', ...at, '--limit', '2', '--cursor', cursor])
    expect(rest.document).toMatchObject({ items: [open(2), open(3)] })
    const { cursor: last } = Object(rest.document)
    if (last !== null) {
      expect((await ask(['pending', ...at, '--cursor', last])).document).toEqual({ items: [], cursor: null })
    }
    expect((await cliHere(['pending', ...at, '--limit', '2'])).stdout).toContain(`more: --cursor ${cursor}`)
    expect(await ask(['pending', ...at, '--cursor', 'nonsense'])).toMatchObject({ code: 2, failed: true })
    expect(await ask(['parked', ...at, '--cursor', cursor])).toMatchObject({ code: 2, failed: true })
  })

  it('list parked approvals and unconfirmed submissions', async () => {
    const parked = {
      ...{ approvalId: 'parked-0', action: 'process_refund', assistant: 'bot', state: 'parked' },
      ...{ ageMs: expect.any(Number), attempts: 1, reason: 'edit-invalid', note: '/amount' },
    }
    expect(await ask(['parked', ...at])).toEqual({
      ...{ code: 0, failed: false, document: { items: [parked], cursor: null } },
    })
    expect((await ask(['parked', ...at, '--details'])).document).toMatchObject({
      items: [{ ...parked, details: { amount: 120 }, decision: { status: 'approved' } }],
    })
    const unconfirmed = { ref: 'ref-0', action: 'process_refund', assistant: null, candidates: ['req_claimed'] }
    expect(await ask(['unconfirmed', ...at])).toEqual({
      code: 0,
      failed: false,
      document: { items: [{ ...unconfirmed, ageMs: expect.any(Number) }], cursor: null },
    })
    expect((await ask(['unconfirmed', ...at, '--details'])).document).toMatchObject({
      items: [{ details: { amount: 120 } }],
    })
  })

  it('show one approval', async () => {
    expect((await ask(['show', 'open-1', ...at])).document).toMatchObject(open(1))
    const { stdout } = await cliHere(['show', 'parked-0', ...at])
    expect(stdout).toMatch(/^approval id {2}parked-0\naction +process_refund\nassistant +bot\nstate +parked\n/)
    expect(stdout).not.toContain('8842')
    expect((await cliHere(['show', 'parked-0', ...at, '--details'])).stdout).toContain(`details      ${details}\n`)
    expect(await ask(['show', 'nobody', ...at])).toEqual({
      ...{ code: 1, failed: false, document: { approvalId: 'nobody', result: 'unknown' } },
    })
  })

  it('retry, cancel and discard once, and explain the second refusal', async () => {
    await entries.inProgress('leased')
    expect(await ask(['cancel', 'leased', ...at])).toMatchObject({ code: 1, document: { result: 'in-progress' } })
    await entries.parked('to-retry', 'adopted', '')
    expect(await ask(['retry', 'to-retry', ...at])).toEqual({
      ...{ code: 0, failed: false, document: { approvalId: 'to-retry', result: 'pending' } },
    })
    expect(await stateOf('to-retry')).toMatchObject({ kind: 'open', parked: null, attempts: 0 })
    expect(await ask(['retry', 'to-retry', ...at])).toMatchObject({ code: 1, document: { result: 'not-parked' } })
    expect((await cliHere(['cancel', 'to-retry', ...at])).stdout).toBe(
      'to-retry  cancelled: it ended without a run; nothing changed at Cheqpoint\n',
    )
    expect(await stateOf('to-retry')).toMatchObject({ kind: 'completed', outcome: 'cancelled' })
    expect(await ask(['cancel', 'to-retry', ...at])).toMatchObject({ code: 1, document: { result: 'completed' } })
    expect((await ask(['show', 'to-retry', ...at, '--details'])).document).toEqual({
      ...{ approvalId: 'to-retry', action: 'process_refund', assistant: null },
      ...{ state: 'completed', outcome: 'cancelled', decision: null, result: null },
    })
    await entries.unconfirmed('ref-1')
    expect(await ask(['discard', 'ref-1', ...at])).toMatchObject({
      ...{ code: 0, document: { ref: 'ref-1', result: 'discarded' } },
    })
    expect(await ask(['discard', 'ref-1', ...at])).toMatchObject({ code: 1, document: { result: 'unknown' } })
  })

  it.each(['-dash', '--json', '-h', '--', '_plain'])('accept the id %s after --', async (id) => {
    await entries.parked(id, 'adopted', '')
    const given = [...at, '--json', '--', id]
    expect(told(await cliHere(['show', ...given]))).toMatchObject({ code: 0, document: { approvalId: id } })
    expect(told(await cliHere(['retry', ...given]))).toMatchObject({ code: 0, document: { result: 'pending' } })
    expect(told(await cliHere(['cancel', ...given]))).toMatchObject({ code: 0, document: { result: 'cancelled' } })
    await entries.unconfirmed(id)
    expect(told(await cliHere(['discard', ...given]))).toMatchObject({ code: 0, document: { result: 'discarded' } })
  })

  it('show unreadable entries as such, in lists and alone, and do not change a newer one', async () => {
    const { store } = opened
    const { now } = await store.read('a:newer')
    const newer = { stamp: 'newer', dueAt: null, parkedAt: now, state: { v: 2, kind: 'open' } }
    await store.write('a:newer', null, newer)
    expect((await ask(['parked', ...at])).document).toMatchObject({
      items: [{ approvalId: 'parked-0' }, { approvalId: 'newer', state: 'unreadable', reason: 'corrupt' }],
    })
    expect((await cliHere(['parked', ...at])).stdout).toMatch(/^newer +- +- +unreadable/m)
    expect(await ask(['show', 'newer', ...at])).toMatchObject({ code: 0, document: { state: 'unreadable' } })
    expect(await ask(['cancel', 'newer', ...at])).toMatchObject({ code: 1, document: { result: 'unknown' } })
    expect((await store.read('a:newer')).entry).toEqual(newer)
  })

  it('list what is damaged, approvals and references, and remove it', async () => {
    const { store } = opened
    const { now } = await store.read('a:damaged')
    const entry = { stamp: 'damaged', dueAt: now, parkedAt: null, state: { kind: 'nonsense' } }
    await store.write('a:damaged', null, entry)
    await store.write('r:damaged', null, entry)
    await store.write('r:newer', null, { ...entry, state: { v: 2 } })
    const listed = async () => {
      const { items } = Object((await ask(['parked', ...at])).document)
      return items.filter(({ approvalId, ref }: Record<string, unknown>) =>
        `${approvalId ?? ref}`.startsWith('damaged'),
      )
    }
    const reason = { state: 'unreadable', reason: 'corrupt', note: '' }
    const expected = [
      { approvalId: 'damaged', ...reason },
      { ref: 'damaged', ...reason },
    ]
    expect(new Set(await listed())).toEqual(new Set(expected))
    expect(JSON.stringify((await ask(['parked', ...at])).document)).not.toContain('"ref":"newer"')
    expect(await ask(['cancel', 'damaged', ...at])).toMatchObject({ code: 0, document: { result: 'cancelled' } })
    expect(await ask(['discard', 'damaged', ...at])).toMatchObject({ code: 0, document: { result: 'discarded' } })
    expect(await ask(['discard', 'newer', ...at])).toMatchObject({ code: 1, document: { result: 'unknown' } })
    expect(await listed()).toEqual([])
  })

  it('refuse an invalid id', async () => {
    for (const id of ['a/b', '..', 'a b']) {
      expect(await ask(['cancel', id, ...at])).toMatchObject({ code: 2, document: { error: { code: 'id-invalid' } } })
    }
    // Accepted beyond a receiver's default: the receiver may have another pattern.
    expect(await ask(['cancel', 'a.b~c', ...at])).toMatchObject({ code: 1, document: { result: 'unknown' } })
  })

  it('change nothing when they only read', async () => {
    // Keys are unordered.
    const content = async () =>
      [await opened.content()]
        .flat()
        .map((each) => JSON.stringify(each))
        .sort()
    const before = await content()
    for (const command of ['pending', 'parked', 'unconfirmed']) expect((await ask([command, ...at])).code).toBe(0)
    await ask(['show', 'open-0', ...at])
    await ask(['show', 'nobody', ...at])
    expect((await ask(['doctor', '--base-url', 'http://127.0.0.1:9', ...at])).failed).toBe(false)
    expect(before.length).toBeGreaterThan(0)
    expect(await content()).toEqual(before)
  })

  it('work as separate processes', async () => {
    expect(await cliJson(['show', 'open-2', ...at])).toMatchObject({ code: 0, document: open(2) })
    const { stdout, stderr } = await cli(['parked', ...at])
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^parked-0 +process_refund/m)
  })
}
