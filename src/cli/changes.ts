import { type Command, command } from './command.js'
import { changeReport } from './entries.js'
import { approvalId, text } from './readers.js'
import { storeOptions, withStore } from './store.js'

const examples = ['req_abc123 --redis redis://localhost:6379', '--sqlite approvals.db -- -an-id-with-a-dash']

const afterRetry = {
  pending: 'it is due at once, and a receiver that sweeps runs it',
  'not-parked': 'only a parked approval can be retried (see: show)',
  unknown: 'it was never registered here, or is completed and forgotten',
}

export const retry: Command = command({
  name: 'retry',
  summary: 'let a parked approval run again',
  notes: 'It keeps its confirmed decision, and its attempts count from zero. Its handler may run a second time.',
  examples,
  options: { id: approvalId, ...storeOptions },
  run: ({ id, ...choice }, terminal) =>
    withStore(choice, async ({ receiver }) => {
      const result = await receiver.retry(id)
      return changeReport({ approvalId: id }, result, afterRetry[result], result === 'pending', terminal)
    }),
})

const afterCancel = {
  cancelled: 'it ended without a run; nothing changed at Cheqpoint',
  'in-progress': 'a receiver works on it now; try again in a moment',
  completed: 'it had already ended',
  unknown: 'it was never registered here, is completed and forgotten, or cannot be read by this version',
}

export const cancel: Command = command({
  name: 'cancel',
  summary: 'end a parked or pending approval without a run',
  notes:
    'A damaged one is removed. Cheqpoint is not informed: a reviewer can still decide, and nothing runs. This cannot be undone.',
  examples,
  options: { id: approvalId, ...storeOptions },
  run: ({ id, ...choice }, terminal) =>
    withStore(choice, async ({ receiver }) => {
      const result = await receiver.cancel(id)
      return changeReport({ approvalId: id }, result, afterCancel[result], result === 'cancelled', terminal)
    }),
})

const afterDiscard = {
  discarded: 'it is forgotten, and a callback with its token counts as unknown',
  bound: 'it now has an approval id, and continues as that approval',
  unknown: 'there is no such reference here, it is forgotten already, or cannot be read by this version',
}

export const discard: Command = command({
  name: 'discard',
  summary: 'forget an unconfirmed submission',
  notes: 'Only if Cheqpoint does not have it: otherwise a decision on it has no effect. This cannot be undone.',
  examples: ['order-8842 --redis redis://localhost:6379'],
  options: {
    ref: { operand: true, required: true, value: 'REF', read: text, about: 'reference, as unconfirmed lists it' },
    ...storeOptions,
  },
  run: ({ ref, ...choice }, terminal) =>
    withStore(choice, async ({ receiver }) => {
      const result = await receiver.discard(ref)
      return changeReport({ ref }, result, afterDiscard[result], result === 'discarded', terminal)
    }),
})
