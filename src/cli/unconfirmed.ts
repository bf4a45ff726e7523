import { type Command, command } from './command.js'
import { filled, pageOptions, pageReport, type Shown, storeTime } from './entries.js'
import { storeOptions, withStore } from './store.js'

export const unconfirmed: Command = command({
  name: 'unconfirmed',
  summary: 'list submissions that Cheqpoint may or may not have accepted',
  notes:
    'Search each at Cheqpoint. Candidates are approval ids that callbacks with its token named. A submission that is under way is listed until its response arrives.',
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
