import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { commands } from '../../src/cli/commands.js'
import { exitCodes } from '../../src/cli/failure.js'
import { optionRows } from '../../src/cli/help.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { codeBlocks, quoted, tableRows } from '../support/blocks.js'
import { cli, openWorld, secrets, startCli } from '../support/cli.js'
import { entriesOf } from '../support/cli-entries.js'
import { describeWith } from '../support/needs.js'
import { openBench } from '../support/redis-bench.js'
import { startRedis, until } from '../support/redis-server.js'

const page = 'docs/cli.md'

describe('docs/cli.md', () => {
  it('lists the commands, and no other', () => {
    expect(tableRows(page, 'commands')).toEqual(commands.map(({ name, summary }) => [`[${name}](#${name})`, summary]))
  })

  it('lists the exit codes', () => {
    expect(tableRows(page, 'exit codes')).toEqual(Object.entries(exitCodes))
  })

  it.each(commands.map((command) => ({ command, name: command.name })))('lists the options of $name', ({ command }) => {
    const own = optionRows(command).filter(([name]) => name !== '--json' && name !== '--help')
    expect(tableRows(page, command.name)).toEqual(
      own.map(([name, about, otherwise]) => [`\`${name}\``, about, otherwise]),
    )
  })

  it('lists the codes that the command line makes itself', () => {
    const source = readdirSync('src/cli')
      .map((file) => readFileSync(`src/cli/${file}`, 'utf8'))
      .join('\n')
    const made = [...source.matchAll(/(?:CliError\(\s*\d,|refusal\()\s*'([a-z-]+)'/g)].map(([, code]) => code)
    const documented = tableRows(page, 'codes').flatMap(([codes = '']) => quoted(codes))
    expect([...documented].sort()).toEqual([...new Set(made)].sort())
  })
})

/** The text without what differs from run to run. A slow machine may find due what the page shows as not due yet. */
function settled(text: string): string {
  return (
    text
      .replaceAll(/"(ms|ageMs|dueInMs)":-?\d+/g, '"$1":0')
      .replaceAll(/\d+(\.\d+)? ms/g, '0 ms')
      .replaceAll(/! (reachable.*)\n +→.*/g, '✓ $1')
      .replaceAll(/\b\d+ (s|min|h|days)( ago)?\b/g, '0 s')
      // Which of several copies comes first is a matter of luck.
      .replaceAll(/20[02] in 0 ms {2}\{"result":"(handled|in-progress)"\}/g, 'handled or in progress')
      .replaceAll(/^(The API had decided|Another delivery).*\n|^\n(?=Another delivery|The API had decided)/gm, '')
      .replaceAll(/req_nobody_\w+/g, 'req_nobody')
      .replaceAll(/(redis_version|used_memory_human):\S+/g, '$1')
      .replaceAll(/ {2,}/g, '  ')
      .trimEnd()
  )
}

describeWith('redis-server', 'the examples of docs/cli.md', () => {
  const examples = codeBlocks(page, 'console').map(({ code }) => {
    const [first = '', ...output] = code.split('\n')
    return { args: first.replace('$ npx cheqpoint-callback ', '').split(' '), output: output.join('\n') }
  })

  it('print what the page shows', { timeout: 120_000 }, async () => {
    const server = await startRedis()
    const bench = await openBench(server.url)
    const store = redisStore({ sendCommand: bench.send })
    const world = await openWorld({ store })
    onTestFinished(async () => {
      await bench.close()
      await server.stop()
    })
    const [abc123, rejected1] = [await world.submit(), await world.submit()]
    world.simulator.decide(rejected1, { status: 'rejected' })
    const entries = entriesOf(store)
    await entries.parked('req_parked1', 'edit-invalid', '/amount')
    await entries.unconfirmed('Yk3vRr2mJxw5uN4aBcQ1Zf0T', ['req_found1'])

    const names = new Map([
      [new URL(world.url).origin, 'http://localhost:3000'],
      [world.api, 'http://localhost:4010'],
      [server.url, 'redis://localhost:6379'],
      [abc123, 'req_abc123'],
      [rejected1, 'req_rejected1'],
    ])
    const toPage = (text: string): string =>
      [...names].reduce((all, [ours, shown]) => all.replaceAll(ours, shown), text)
    const fromPage = (text: string): string =>
      [...names].reduce((all, [ours, shown]) => all.replaceAll(shown, ours), text)
    const env = { CHEQPOINT_BASE_URL: world.api, CHEQPOINT_CONNECTION_KEY: secrets.key, REDIS_URL: server.url }
    for (const { args, output } of examples) {
      const own = args.map(fromPage)
      let printed: string
      if (args[0] === 'simulator') {
        const { lines } = startCli([...own, '--port', '0'])
        await until(() => lines.includes('Ctrl-C ends it.'))
        const address = /http:\/\/\S+/.exec(lines[0] ?? '')?.[0] ?? ''
        printed = toPage(lines.join('\n').replaceAll(address, 'http://localhost:4010'))
      } else {
        const { stdout, stderr } = await cli(own, env)
        printed = toPage(stdout + stderr)
      }
      expect(settled(printed), args.join(' ')).toBe(settled(output))
    }
  })
})
