import { type Command, command } from './command.js'
import { type Entry, pageOptions, pageReport, parsed, withStore } from './store.js'

export const unconfirmed: Command = command({
  name: 'unconfirmed',
  summary: 'list submissions of which nobody knows whether Cheqpoint took them',
  notes:
    'Look for each at Cheqpoint. Candidates are approval ids that callbacks with its token named. A submission that is under way stands here for as long as it takes.',
  options: pageOptions,
  run: ({ limit, cursor, details, ...choice }, terminal) =>
    withStore(choice, async (store) => {
      const page = await store.reservations({ limit, cursor })
      const items = page.items.map(({ ref, draft, ageMs, candidates }): Entry => {
        const { action, assistant } = draft
        const payloads = { details: parsed(draft.details), context: parsed(draft.context) }
        return { facts: { ref, action, assistant, ageMs, candidates }, payloads }
      })
      return pageReport({ ...page, items }, 'No submission is unconfirmed.', details, terminal)
    }),
})
