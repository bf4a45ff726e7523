import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Command } from '../../src/cli/command.js'
import { commands } from '../../src/cli/commands.js'
import { exitCodes } from '../../src/cli/failure.js'
import { optionRows, usage } from '../../src/cli/help.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { codeBlocks, quoted } from '../support/blocks.js'
import { cli, openWorld, secrets } from '../support/cli.js'
import { entriesOf } from '../support/cli-entries.js'
import { describeWith } from '../support/needs.js'
import { openBench } from '../support/redis-bench.js'
import { startRedis } from '../support/redis-server.js'
import { callInside } from '../support/simulator-sink.js'

const page = 'docs/cli.md'

/** The lines of a block of the page, each as name and description. */
function block(name: string): readonly (readonly string[])[] {
  const { code = '' } = codeBlocks(page, 'text').find((each) => each.name === name) ?? {}
  return code
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/))
}

const rowsOf = (command: Command): readonly (readonly string[])[] =>
  optionRows(command).map(([name, about, otherwise]) => [name, about + (otherwise && ` (default: ${otherwise})`)])

describe('docs/cli.md', () => {
  it('lists the commands, and no other', () => {
    expect(block('commands')).toEqual(commands.map((each) => [usage(each), each.summary]))
  })

  it('lists the exit codes', () => {
    expect(block('exit-codes')).toEqual(Object.entries(exitCodes))
  })

  it.each(commands.map((command) => ({ command, name: command.name })))('lists the options of $name', ({ command }) => {
    const shared = ['<id>  approval id', '<ref>  reference, as unconfirmed lists it', '--json', '--help']
    const blocks = ['stores', 'lists', command.name === 'reject' ? 'approve' : command.name].flatMap((name) =>
      codeBlocks(page, 'text').some((each) => each.name === name) ? block(name) : [],
    )
    const documented = [...blocks.map((row) => row.join('  ')), ...shared]
    for (const [name = '', about] of rowsOf(command)) {
      expect(documented).toContain(name === '--json' || name === '--help' ? name : `${name}  ${about}`)
    }
  })

  it('lists only options that exist', () => {
    const all = commands.flatMap((command) => rowsOf(command).map((row) => row.join('  ')))
    const names = codeBlocks(page, 'text')
      .map(({ name }) => name)
      .filter((name) => !['commands', 'exit-codes'].includes(name))
    for (const row of names.flatMap(block)) expect(all).toContain(row.join('  '))
  })

  it('lists the error codes of the command line', () => {
    const source = readdirSync('src/cli')
      .map((file) => readFileSync(`src/cli/${file}`, 'utf8'))
      .join('\n')
    const made = [...source.matchAll(/(?:CliError\(\s*\d,|refusal\()\s*'([a-z-]+)'/g)].map(([, code]) => code)
    const [, list = ''] = readFileSync(page, 'utf8').split(/<!-- \/?codes -->/)
    const documented = list.split('\n').flatMap((line) => quoted(line.split(': ')[0] ?? ''))
    expect([...documented].sort()).toEqual([...new Set(made)].sort())
  })
})

/** Removes values that differ between runs. On a slow machine, an approval may be due that the page shows as not due. */
function settled(text: string): string {
  return text
    .replaceAll(/"(ms|ageMs|dueInMs)":-?\d+/g, '"$1":0')
    .replaceAll(/\d+(\.\d+)? ms/g, '0 ms')
    .replaceAll(/! (reachable.*)\n +→.*/g, '✓ $1')
    .replaceAll(/\b\d+ (s|min|h|days)( ago)?\b/g, '0 s')
    .replaceAll(/(redis_version|used_memory_human):\S+/g, '$1')
    .replaceAll(/ {2,}/g, '  ')
    .trimEnd()
}

describeWith('redis-server', 'the examples of docs/cli.md', () => {
  const examples = codeBlocks(page, 'console').flatMap(({ code }) =>
    code
      .split(/^\$ npx cheqpoint-callback /m)
      .slice(1)
      .map((each) => {
        const [first = '', ...output] = each.split('\n')
        return { args: first.split(' '), output: output.join('\n') }
      }),
  )

  it('print what the page shows', { timeout: 120_000 }, async () => {
    const server = await startRedis()
    const bench = await openBench(server.url)
    const store = redisStore({ sendCommand: bench.send })
    const world = await openWorld({ store })
    onTestFinished(async () => {
      await bench.close()
      await server.stop()
    })
    const abc123 = await world.submit()
    // An approval that the receiver does not track, so that its lists do not change.
    const fields = { action: 'a', summary: 's', details: {}, callbackUrl: world.url }
    const headers = { 'x-api-key': secrets.key }
    await callInside(world.simulator, '/api/webhooks/inbound', {
      ...{ method: 'POST', headers, body: JSON.stringify(fields) },
    })
    const waiting1 = world.simulator.list().at(-1)?.id ?? ''
    const entries = entriesOf(store)
    await entries.parked('req_parked1', 'edit-invalid', '/amount')
    await entries.unconfirmed('Yk3vRr2mJxw5uN4aBcQ1Zf0T', ['req_found1'])

    const names = new Map([
      [new URL(world.url).origin, 'http://localhost:3000'],
      [world.api, 'http://localhost:4010'],
      [server.url, 'redis://localhost:6379'],
      [abc123, 'req_abc123'],
      [waiting1, 'req_waiting1'],
    ])
    const toPage = (text: string): string =>
      [...names].reduce((all, [ours, shown]) => all.replaceAll(ours, shown), text)
    const fromPage = (text: string): string =>
      [...names].reduce((all, [ours, shown]) => all.replaceAll(shown, ours), text)
    const env = { CHEQPOINT_BASE_URL: world.api, CHEQPOINT_CONNECTION_KEY: secrets.key, REDIS_URL: server.url }
    for (const { args, output } of examples) {
      const own = args.map(fromPage)
      const { stdout, stderr } = await cli(own, env)
      const printed = toPage(stdout + stderr)
      expect(settled(printed), args.join(' ')).toBe(settled(output))
    }
  })
})
