import { approvalKey } from '../approvals/entry.js'
import { type Command, command } from './command.js'
import { changeReport, detailsOption, payloadRows, shownApproval } from './entries.js'
import { approvalId } from './readers.js'
import { storeOptions, withStore } from './store.js'
import { columns, fact } from './terminal.js'

export const show: Command = command({
  name: 'show',
  summary: 'show one approval',
  notes: '',
  examples: ['req_abc123 --redis redis://localhost:6379', '--details --sqlite approvals.db -- -an-id-with-a-dash'],
  options: {
    id: approvalId,
    details: detailsOption,
    ...storeOptions,
  },
  run: ({ id, details, ...choice }, terminal) =>
    withStore(choice, async ({ store }) => {
      const shown = shownApproval(id, await store.read(approvalKey(id)))
      if (shown === null) {
        const meaning = 'it was never registered here, or is completed and forgotten'
        return changeReport({ approvalId: id }, 'unknown', meaning, false, terminal)
      }
      const rows = Object.entries(shown.facts).map(([name, value]) => fact(name, value))
      const lines = columns([...rows.filter(([, value]) => value !== '-'), ...(details ? payloadRows(shown) : [])])
      return { text: lines.join('\n'), document: { ...shown.facts, ...(details ? shown.payloads : {}) } }
    }),
})
