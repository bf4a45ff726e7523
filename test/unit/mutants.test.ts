import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { mutants } from '../long/mutation/mutants.js'

describe('the list of mutants', () => {
  it('removes guards that stand in the source, each exactly once', () => {
    const astray = mutants.filter(({ file, find }) => readFileSync(file, 'utf8').split(find).length !== 2)
    expect(astray.map(({ guard, file, find }) => ({ guard, file, find }))).toEqual([])
  })

  it('changes something each time', () => {
    expect(mutants.filter(({ find, replace }) => find === replace)).toEqual([])
  })

  it('names every guard once, and no change twice', () => {
    expect(new Set(mutants.map(({ guard }) => guard)).size).toBe(mutants.length)
    const changes = mutants.map(({ file, find, replace }) => JSON.stringify([file, find, replace]))
    expect(changes.filter((change, at) => changes.indexOf(change) !== at)).toEqual([])
  })

  it('holds no fewer than three hundred', () => {
    expect(mutants.length).toBeGreaterThanOrEqual(300)
  })

  it('names tests that exist', () => {
    const named = new Set(mutants.flatMap(({ tests }) => tests))
    expect([...named].filter((file) => !existsSync(`test/${file}`))).toEqual([])
  })
})
