import { type Command, command } from './command.js'
import { pageOptions, pageReport, shownPage } from './entries.js'
import { storeOptions, withStore } from './store.js'

export const parked: Command = command({
  name: 'parked',
  summary: 'list approvals that wait for a person',
  notes:
    'The note names the places of an edit that are wrong. Fix the cause, then retry; or cancel. An approval that cannot be read is damaged, or was written by a newer version.',
  examples: ['--redis redis://localhost:6379', '--postgres postgres://localhost/app --details'],
  options: { ...pageOptions, ...storeOptions },
  run: ({ limit, cursor, details, ...choice }, terminal) =>
    withStore(choice, async ({ store }) =>
      pageReport(await shownPage(store, 'parked', { limit, cursor }), 'No approval is parked.', details, terminal),
    ),
})
