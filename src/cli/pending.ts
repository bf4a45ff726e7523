import { type Command, command } from './command.js'
import { pageOptions, pageReport, shownPage } from './entries.js'
import { storeOptions, withStore } from './store.js'

export const pending: Command = command({
  name: 'pending',
  summary: 'list open approvals, those due first on top',
  notes:
    'An approval that stays due for minutes is one that nothing works on: no receiver sweeps this store, or none has a handler for its action.',
  examples: ['--redis redis://localhost:6379', '--sqlite approvals.db --details', '--limit 100 --json'],
  options: { ...pageOptions, ...storeOptions },
  run: ({ limit, cursor, details, ...choice }, terminal) =>
    withStore(choice, async ({ store }) =>
      pageReport(await shownPage(store, 'due', { limit, cursor }), 'No approval is open.', details, terminal),
    ),
})
