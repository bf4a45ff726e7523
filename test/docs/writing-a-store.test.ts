import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { CheqpointError } from '../../src/model/errors.js'
import type { Store } from '../../src/stores/store.js'
import { storeContract } from '../../src/testing/store-contract.js'
import { codeBlocks, quoted, tableRows } from '../support/blocks.js'

const file = 'docs/writing-a-store.md'
const code = codeBlocks(file, 'ts').find(({ name }) => name === 'store/my-store.ts')?.code ?? ''
const folder = mkdtempSync(`${process.env['TMPDIR'] ?? '/tmp'}/writing-a-store-`)
afterAll(() => rmSync(folder, { recursive: true }))

/** The store of the page, compiled with the library's sources. */
async function openStore(path: string): Promise<Store> {
  const model = resolve('src/model/errors.ts')
  writeFileSync(`${folder}/my-store.ts`, code.replace(/'cheqpoint-callback'/, `'${model}'`))
  // The store that the page exports.
  const { myStore } = (await import(`${folder}/my-store.ts`)) as { myStore(path: string): Store }
  return myStore(path)
}

let files = 0
const nextFile = (): string => `${folder}/${files++}.jsonl`
const entry = { stamp: 's-1', dueAt: 1, parkedAt: 2, state: { text: 'a\u0000b' } }

describe(file, () => {
  test('has a store of at most 60 lines', () => {
    expect(code).toContain('export function myStore')
    expect(code.trimEnd().split('\n').length).toBeLessThanOrEqual(60)
  })

  test('names each method of a store in its table', () => {
    const named = tableRows(file).flatMap(([cell = '']) => quoted(cell).map((name) => name.split('(')[0]))
    for (const method of ['read', 'write', 'takeDue', 'list', 'count', 'remove', 'check', 'close'])
      expect(named).toContain(method)
  })

  describe('the store of the page keeps the contract', () => {
    const harness = { create: async () => ({ store: await openStore(nextFile()) }) }
    for (const { name, run } of storeContract(harness)) test.concurrent(name, run)
  })

  test('the store of the page keeps acknowledged writes, and drops a partly written line', async () => {
    const path = nextFile()
    const store = await openStore(path)
    await store.write('a:apr-1', null, entry)
    writeFileSync(path, '["a:apr-2",{"entry":"', { flag: 'a' })
    const again = await openStore(path)
    expect((await again.read('a:apr-1')).entry).toEqual(entry)
    expect(await again.write('a:apr-2', null, entry)).toBe(true)
    expect((await (await openStore(path)).list('due', { limit: 10 })).items).toEqual([
      { key: 'a:apr-1', entry },
      { key: 'a:apr-2', entry },
    ])
  })

  test('the store of the page refuses a cursor with an error of the library', async () => {
    const store = await openStore(nextFile())
    await expect(store.list('due', { limit: 1, cursor: 'x' })).rejects.toBeInstanceOf(CheqpointError)
  })
})
