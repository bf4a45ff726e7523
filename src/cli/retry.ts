import { type Command, command } from './command.js'
import { changeReport } from './entries.js'
import { text } from './readers.js'
import { storeOptions, withStore } from './store.js'

const meanings = {
  pending: 'it is due at once, and a receiver that sweeps runs it',
  'not-parked': 'only a parked approval can be retried (see: show)',
  unknown: 'it was never registered here, or is completed and forgotten',
}

export const retry: Command = command({
  name: 'retry',
  summary: 'let a parked approval run again',
  notes:
    'Its confirmed decision is kept, and its attempts count from zero. Its handler may run a second time. Put an id that starts with - last, after --.',
  examples: ['req_abc123 --redis redis://localhost:6379'],
  options: { id: { operand: true, required: true, value: 'ID', read: text, about: 'approval id' }, ...storeOptions },
  run: ({ id, ...choice }, terminal) =>
    withStore(choice, async ({ receiver }) => {
      const result = await receiver.retry(id)
      return changeReport({ approvalId: id }, result, meanings[result], result === 'pending', terminal)
    }),
})
