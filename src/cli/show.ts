import { type Command, command } from './command.js'
import { text } from './readers.js'
import { entryOf } from './record.js'
import { changeReport, detailsOption, payloadRows, storeOptions, withStore } from './store.js'
import { columns, fact } from './terminal.js'

export const show: Command = command({
  name: 'show',
  summary: 'show one approval',
  notes: '',
  options: {
    id: { operand: true, required: true, value: 'ID', read: text, about: 'approval id' },
    details: detailsOption,
    ...storeOptions,
  },
  run: ({ id, details, ...choice }, terminal) =>
    withStore(choice, async (store) => {
      const found = await store.get(id)
      if (found === null) {
        return changeReport(
          { approvalId: id },
          'unknown',
          'never registered here, or done and forgotten',
          false,
          terminal,
        )
      }
      const entry = entryOf(id, found)
      const rows = Object.entries(entry.facts).map(([name, value]) => fact(name, value))
      return {
        text: columns([...rows.filter(([, value]) => value !== '-'), ...(details ? payloadRows(entry) : [])]).join(
          '\n',
        ),
        document: { ...entry.facts, ...(details ? entry.payloads : {}) },
      }
    }),
})
