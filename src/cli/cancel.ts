import { type Command, command } from './command.js'
import { text } from './readers.js'
import { changeReport, storeOptions, withStore } from './store.js'

/** How long the outcome is remembered: the default of a receiver. */
const retentionMs = 604_800_000

const meanings = {
  cancelled: 'it ended without a run; at Cheqpoint nothing changed',
  held: 'a receiver works on it now; try again in a moment',
  done: 'it had ended before',
  unknown: 'never registered here, or done and forgotten',
}

export const cancel: Command = command({
  name: 'cancel',
  summary: 'end a parked or pending approval without a run',
  notes: 'Cheqpoint is not told: a reviewer can still decide, and nothing will run. It cannot be undone.',
  options: { id: { operand: true, required: true, value: 'ID', read: text, about: 'approval id' }, ...storeOptions },
  run: ({ id, ...choice }, terminal) =>
    withStore(choice, async (store) => {
      const result = await store.cancel(id, retentionMs)
      return changeReport({ approvalId: id }, result, meanings[result], result === 'cancelled', terminal)
    }),
})
