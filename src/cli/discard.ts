import { type Command, command } from './command.js'
import { text } from './readers.js'
import { changeReport, storeOptions, withStore } from './store.js'

const meanings = {
  discarded: 'it is forgotten, and a callback with its token will be unknown',
  bound: 'it has an approval id by now, and goes on as that approval',
  unknown: 'no such reference here, or forgotten already',
}

export const discard: Command = command({
  name: 'discard',
  summary: 'forget an unconfirmed submission',
  notes: 'Only where Cheqpoint does not have it: what it has would be decided for nobody. It cannot be undone.',
  options: {
    ref: { operand: true, required: true, value: 'REF', read: text, about: 'as unconfirmed lists it' },
    ...storeOptions,
  },
  run: ({ ref, ...choice }, terminal) =>
    withStore(choice, async (store) => {
      const result = await store.discard(ref)
      return changeReport({ ref }, result, meanings[result], result === 'discarded', terminal)
    }),
})
