import { contenders } from './contenders.js'
import { serveUsage } from './usage.js'

/* One contender in a process of its own: `app.js NAME UPSTREAM COUNT [DATABASE] [BESIDE]`. */
const [name = '', upstream = '', count = '0', database = '', beside = ''] = process.argv.slice(2)
const start = contenders[name]
if (start === undefined) throw new Error(`no contender is named ${name}`)
serveUsage(await start({ upstream, count: Number(count), database, beside }))
