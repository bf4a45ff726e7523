import { type Command, command } from './command.js'
import { filled, pageOptions, pageReport, type Shown, shownPage, storeTime } from './entries.js'
import { storeOptions, withStore } from './store.js'

export const pending: Command = command({
  name: 'pending',
  summary: 'list open approvals, those due first on top',
  notes: 'If an approval stays due for minutes, no receiver sweeps this store, or none has a handler for its action.',
  examples: ['--redis redis://localhost:6379', '--sqlite approvals.db --details', '--limit 100 --json'],
  options: { ...pageOptions, ...storeOptions },
  run: ({ limit, cursor, details, ...choice }, terminal) =>
    withStore(choice, async ({ store }) =>
      pageReport(await shownPage(store, 'due', { limit, cursor }), 'No approval is open.', details, terminal),
    ),
})

export const parked: Command = command({
  name: 'parked',
  summary: 'list approvals that wait for a person',
  notes:
    'The note names the invalid parts of an edit. Fix the cause, then retry; or cancel. What cannot be read is damaged, or was written by a newer version; discard removes a damaged reference.',
  examples: ['--redis redis://localhost:6379', '--postgres postgres://localhost/app --details'],
  options: { ...pageOptions, ...storeOptions },
  run: ({ limit, cursor, details, ...choice }, terminal) =>
    withStore(choice, async ({ store }) =>
      pageReport(await shownPage(store, 'parked', { limit, cursor }), 'No approval is parked.', details, terminal),
    ),
})

export const unconfirmed: Command = command({
  name: 'unconfirmed',
  summary: 'list submissions that Cheqpoint may or may not have accepted',
  notes:
    'Search each at Cheqpoint. Candidates are approval ids from callbacks with the token of the submission. A submission in progress is listed until its response arrives.',
  examples: ['--redis redis://localhost:6379', '--sqlite approvals.db --details'],
  options: { ...pageOptions, ...storeOptions },
  run: ({ limit, cursor, details, ...choice }, terminal) =>
    withStore(choice, async ({ store, receiver }) => {
      const now = await storeTime(store)
      const page = await filled({ limit, cursor }, receiver.unconfirmed, (each): readonly Shown[] => {
        const { ref, action, assistant, sentAt, candidates, ...payloads } = each
        return [{ facts: { ref, action, assistant, ageMs: now - sentAt, candidates }, payloads }]
      })
      return pageReport(page, 'No submission is unconfirmed.', details, terminal)
    }),
})
