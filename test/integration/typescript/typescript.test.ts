import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { describeInstalled } from '../../support/installed.js'

const handler = `async onDecision(decision, run) {
      if (decision.status === 'approved') charge(decision.details.amount, run.idempotencyKey)
    }`
const schema = 'z.object({ orderId: z.string(), amount: z.number() })'
const start = `import { action, createReceiver, memoryStore } from 'cheqpoint-callback'
import { z } from 'zod'
declare function charge(amount: number, key: string): void
`
const receiver = (entry: string, options = ''): string => `${start}
const receiver = createReceiver({ apiKey: 'k', store: memoryStore(), actions: { refund: ${entry} } })
void receiver.submit({ action: 'refund', summary: 's', details: { orderId: '1', amount: 2 } }${options})
`
const context = 'context: z.object({ tenant: z.string() })'
const given = ", { context: { tenant: 't' } }"

const programs = {
  'an entry by action()': receiver(`action({ details: ${schema}, ${handler} })`),
  'an entry with a context, by action()': receiver(`action({ details: ${schema}, ${context}, ${handler} })`, given),
  'every subpath': `${start}
import { redisStore } from 'cheqpoint-callback/redis'
import { sqliteStore } from 'cheqpoint-callback/sqlite'
import { postgresStore } from 'cheqpoint-callback/postgres'
import { createSimulator } from 'cheqpoint-callback/simulator'
import { fakeCallback, storeContract } from 'cheqpoint-callback/testing'
export const all = [action, createReceiver, memoryStore, redisStore, sqliteStore, postgresStore, createSimulator]
export const tests = [fakeCallback, storeContract, charge, z]
`,
}
const sinceTypeScript57 = {
  'an entry as a literal': receiver(`{ details: ${schema}, ${handler} }`),
  'an entry with a context, as a literal': receiver(`{ details: ${schema}, ${context}, ${handler} }`, given),
}
const wrong = {
  'details of another type': [programs['an entry by action()'].replace('amount: 2', "amount: '2'"), 'TS2322'],
  'a field that no details have': [
    programs['an entry by action()'].replace('details.amount', 'details.none'),
    'TS2339',
  ],
} as const

describeInstalled('typescript', (folder) => {
  /** The errors of this compiler version by program, all compiled at once. */
  function compile(version: string, texts: Readonly<Record<string, string>>): string {
    const place = mkdtempSync(join(folder, 'run-'))
    const compilerOptions = { strict: true, module: 'NodeNext', target: 'ES2022', noEmit: true, types: ['node'] }
    writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
    writeFileSync(join(place, 'package.json'), '{"type":"module"}')
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(place, `${name}.ts`), text)
    const compiler = join(folder, 'node_modules', `typescript${version.replace('.', '')}`, 'bin', 'tsc')
    const { stdout } = spawnSync(process.execPath, [compiler, '-p', '.'], { cwd: place, encoding: 'utf8' })
    rmSync(place, { recursive: true })
    return stdout
  }

  it.each([
    ['5.4', programs],
    ['5.9', { ...programs, ...sinceTypeScript57 }],
  ])(
    'is compiled by TypeScript %s, declarations included, which refuses wrong types',
    { timeout: 600_000 },
    (version, right) => {
      const mistakes = Object.fromEntries(Object.entries(wrong).map(([name, [text]]) => [name, text]))
      const told = compile(version, { ...right, ...mistakes })
        .split('\n')
        .filter((line) => line.includes('error TS'))
      const expected = Object.entries(wrong).map(([name, [, code]]) => `${name}: ${code}`)
      expect(told.map((line) => line.replace(/\.ts\(.*error (TS\d+).*/, ': $1')).sort()).toEqual(expected.sort())
    },
  )
})
