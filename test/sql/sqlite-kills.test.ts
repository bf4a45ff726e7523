import { describe, expect, test } from 'vitest'
import { runKills } from '../long/sqlite-kills/kills.js'
import { sqliteClients } from '../support/sql-clients.js'

// The build output: a child process cannot run TypeScript.
const worker = `${process.env['CHEQPOINT_DIST'] ?? 'dist'}/test/long/sqlite-kills/worker.js`

describe.each(Object.keys(sqliteClients))('two processes that write one file through %s and are killed', (client) => {
  test('lose no acknowledged write, and leave one effect per completion', async () => {
    const figures = await runKills(worker, client, 24)
    expect(figures).toMatchObject({ kills: 24, lost: [], unmatched: [] })
    expect(figures.completed).toBeGreaterThan(10)
  })
})
