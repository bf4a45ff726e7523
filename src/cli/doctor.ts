import { checkApi } from './check-api.js'
import { checkCallback } from './check-callback.js'
import { checkStore } from './check-store.js'
import type { Checkup, Status } from './checks.js'
import { type Command, command } from './command.js'
import { httpUrl, text } from './readers.js'
import { storeOptions } from './store.js'
import { plain, type Style, type Terminal } from './terminal.js'

const { partitions: _, ...anyStore } = storeOptions

export const doctor: Command = command({
  name: 'doctor',
  summary: 'check key, API, callback URL and store, and say what to change',
  notes:
    'It changes nothing that a receiver uses: it asks the API for an approval that cannot exist, posts callbacks that a receiver refuses, and tries the store on a key of its own, which it removes. The API is always checked, the rest if it is given. Pass the key in the environment: others on this machine can read a command line.',
  examples: ['--callback-url https://app.example.com/webhooks/cheqpoint', '--redis redis://localhost:6379 --json'],
  options: {
    'api-key': { value: 'KEY', read: text, env: 'CHEQPOINT_CONNECTION_KEY', about: 'the Connection Key' },
    'base-url': {
      value: 'URL',
      read: httpUrl,
      env: 'CHEQPOINT_BASE_URL',
      default: 'https://app.cheqpoint.co',
      about: 'address of the API',
    },
    'callback-url': { value: 'URL', read: httpUrl, about: 'address of a receiver; a token enables more checks' },
    ...anyStore,
  },
  async run(given, terminal) {
    const checkups = [
      await checkApi(given['base-url'], given['api-key']),
      await checkCallback(given['callback-url']),
      await checkStore(given),
    ]
    const checks = checkups.flatMap(({ group, checks }) => checks.map((each) => ({ group, ...each })))
    const failures = checks.filter(({ status }) => status === 'failure')
    const count = (status: Status): number => checks.filter((each) => each.status === status).length
    const verdict = `failures: ${failures.length}, warnings: ${count('warning')}, not checked: ${count('skipped')}`
    return {
      text: [...checkups.map((each) => textOf(each, terminal)), verdict].join('\n\n'),
      document: { ok: failures.length === 0, checks },
      exit: failures.length === 0 ? 0 : failures.some(({ check }) => check === 'reachable') ? 3 : 1,
    }
  },
})

const titles = { api: 'API', callback: 'Callback URL', store: 'Store' }
const signs: Readonly<Record<Status, readonly [sign: string, style: Style]>> = {
  ok: ['✓', 'green'],
  warning: ['!', 'yellow'],
  failure: ['✗', 'red'],
  skipped: ['-', 'dim'],
}

function textOf({ group, target, checks }: Checkup, { paint }: Terminal): string {
  const lines = checks.flatMap(({ check, status, message, fix }) => {
    const [sign, style] = signs[status]
    const line = `  ${paint(style, sign)} ${check.padEnd(11)}  ${plain(message)}`
    return fix === null ? [line] : [line, paint('dim', `  ${' '.repeat(13)}  → ${plain(fix)}`)]
  })
  return [`${paint('bold', titles[group])}  ${plain(target)}`.trimEnd(), ...lines].join('\n')
}
