import { type Command, command } from './command.js'
import { entriesOf } from './record.js'
import { pageOptions, pageReport, withStore } from './store.js'

export const parked: Command = command({
  name: 'parked',
  summary: 'list approvals that wait for a person',
  notes: 'The note names the places in an edit that were wrong. Mend the cause, then retry; or cancel.',
  options: pageOptions,
  run: ({ limit, cursor, details, ...choice }, terminal) =>
    withStore(choice, async (store) => {
      const page = await store.list({ state: 'parked', limit, cursor })
      return pageReport({ ...page, items: entriesOf(page.items) }, 'No approval is parked.', details, terminal)
    }),
})
