import { type Command, command } from './command.js'
import { changeReport } from './entries.js'
import { text } from './readers.js'
import { storeOptions, withStore } from './store.js'

const meanings = {
  cancelled: 'it ended without a run; nothing changed at Cheqpoint',
  'in-progress': 'a receiver works on it now; try again in a moment',
  completed: 'it had ended before',
  unknown: 'it was never registered here, is completed and forgotten, or cannot be read by this version',
}

export const cancel: Command = command({
  name: 'cancel',
  summary: 'end a parked or pending approval without a run',
  notes:
    'A damaged one is removed. Cheqpoint is not informed: a reviewer can still decide, and nothing runs. It cannot be undone. Put an id that starts with - last, after --.',
  examples: ['req_abc123 --redis redis://localhost:6379'],
  options: { id: { operand: true, required: true, value: 'ID', read: text, about: 'approval id' }, ...storeOptions },
  run: ({ id, ...choice }, terminal) =>
    withStore(choice, async ({ receiver }) => {
      const result = await receiver.cancel(id)
      return changeReport({ approvalId: id }, result, meanings[result], result === 'cancelled', terminal)
    }),
})
