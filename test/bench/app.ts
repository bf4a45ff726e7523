import { contenders } from './contenders.js'

/* One contender in a process of its own: `app.js NAME UPSTREAM COUNT`. Prints its port. */
const [name = '', upstream = '', count = '0'] = process.argv.slice(2)
const contender = contenders[name]
if (contender === undefined) throw new Error(`no contender is named ${name}`)
const server = await contender.start(upstream, Number(count))
const address = server.address()
if (address !== null && typeof address !== 'string') console.log(address.port)
