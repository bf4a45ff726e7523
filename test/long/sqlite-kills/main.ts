import { fileURLToPath } from 'node:url'
import { runKills } from './kills.js'

/*
 * Kills processes that write a SQLite file, and checks for lost acknowledged entries:
 * node dist/test/long/sqlite-kills/main.js [kills] [client]
 */

const [, , kills = '1000', client = 'libsql'] = process.argv
const worker = fileURLToPath(new URL('./worker.js', import.meta.url))
const { lost, unmatched, ...figures } = await runKills(worker, client, Number(kills))
console.log({ client, ...figures, lost: lost.length, unmatched: unmatched.length })
process.exitCode = lost.length + unmatched.length === 0 ? 0 : 1
