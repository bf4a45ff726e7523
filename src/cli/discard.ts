import { type Command, command } from './command.js'
import { changeReport } from './entries.js'
import { text } from './readers.js'
import { storeOptions, withStore } from './store.js'

const meanings = {
  discarded: 'it is forgotten, and a callback with its token counts as unknown',
  bound: 'it has an approval id by now, and goes on as that approval',
  unknown: 'there is no such reference here, or it is forgotten already',
}

export const discard: Command = command({
  name: 'discard',
  summary: 'forget an unconfirmed submission',
  notes:
    'Only if Cheqpoint does not have it: what it has would be decided without effect. It cannot be undone. Put a reference that starts with - last, after --.',
  examples: ['order-8842 --redis redis://localhost:6379'],
  options: {
    ref: { operand: true, required: true, value: 'REF', read: text, about: 'reference, as unconfirmed lists it' },
    ...storeOptions,
  },
  run: ({ ref, ...choice }, terminal) =>
    withStore(choice, async ({ receiver }) => {
      const result = await receiver.discard(ref)
      return changeReport({ ref }, result, meanings[result], result === 'discarded', terminal)
    }),
})
