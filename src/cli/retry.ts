import { type Command, command } from './command.js'
import { text } from './readers.js'
import { changeReport, storeOptions, withStore } from './store.js'

const meanings = {
  pending: 'it is due at once, and a receiver that sweeps runs it',
  'not-parked': 'only a parked approval can be retried (see: show)',
  unknown: 'never registered here, or done and forgotten',
}

export const retry: Command = command({
  name: 'retry',
  summary: 'let a parked approval run again',
  notes: 'Its confirmed decision is kept and its starts are forgotten. Its handler may run a second time.',
  options: { id: { operand: true, required: true, value: 'ID', read: text, about: 'approval id' }, ...storeOptions },
  run: ({ id, ...choice }, terminal) =>
    withStore(choice, async (store) => {
      const result = await store.retry(id)
      return changeReport({ approvalId: id }, result, meanings[result], result === 'pending', terminal)
    }),
})
