import { type Command, command } from './command.js'
import { entriesOf } from './record.js'
import { pageOptions, pageReport, withStore } from './store.js'

export const pending: Command = command({
  name: 'pending',
  summary: 'list open approvals, those that are due first',
  notes: 'An approval that stays due for long is one that nothing looks after: no receiver sweeps.',
  options: pageOptions,
  run: ({ limit, cursor, details, ...choice }, terminal) =>
    withStore(choice, async (store) => {
      const page = await store.list({ state: 'open', limit, cursor })
      return pageReport({ ...page, items: entriesOf(page.items) }, 'No approval is open.', details, terminal)
    }),
})
