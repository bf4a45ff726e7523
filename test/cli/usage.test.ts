import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from '../../src/cli/args.js'
import { commands } from '../../src/cli/commands.js'
import { createTerminal, plain } from '../../src/cli/terminal.js'
import { cli, cliHere, cliJson, startCli, told } from '../support/cli.js'
import { closedPort } from '../support/misbehaving-server.js'

/** Runs the command line in a shell that redirects its output. */
async function redirected(args: readonly string[], redirection: string) {
  const line = `"$0" dist/src/cli/main.js "$@" ${redirection}`
  const child = spawn('bash', ['-o', 'pipefail', '-c', line, process.execPath, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  const [code] = await once(child, 'close')
  return { code: Number(code), stderr }
}

describe('the command line', { timeout: 60_000 }, () => {
  it('lists its commands and exit codes without a command, and exits with 2', async () => {
    const { code, stdout } = await cli([])
    expect(code).toBe(2)
    for (const name of [
      'simulator',
      'approve',
      'reject',
      'send',
      'doctor',
      'pending',
      'parked',
      'unconfirmed',
      'show',
      'retry',
      'cancel',
      'discard',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${name}( <\\w+>)?  +\\w`, 'm'))
    }
    for (const exit of [0, 1, 2, 3]) expect(stdout).toMatch(new RegExp(`^  ${exit}  \\w`, 'm'))
    for (const word of ['--help', '-h', 'help']) expect(await cliHere([word])).toMatchObject({ code: 0, stdout })
    expect(stdout).toMatch(/^Usage: cheqpoint-callback <command> \[options\]$/m)
    expect(stdout).toMatch(/^Examples:\n {2}cheqpoint-callback /m)
  })

  it.each(commands.map(({ name }) => name))('explains %s', async (name) => {
    const { code, stdout } = await cliHere([name, '--help'])
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^Usage: cheqpoint-callback ${name}( <\\w+>)? \\[options\\]\n`))
    expect(stdout).toContain('--json')
    expect(await cliHere([name, '-h'])).toMatchObject({ code: 0, stdout })
    expect(await cliHere(['help', name])).toMatchObject({ code: 0, stdout })
  })

  it.each(commands.map((command) => ({ command, name: command.name })))(
    'accepts its own examples of $name',
    ({ command }) => {
      expect(command.examples.length).toBeGreaterThan(0)
      for (const example of command.examples) {
        const words = example
          .replaceAll("'", '')
          .split(' ')
          .filter((word) => word !== '')
        expect(parse(command, words, {}), example).not.toBeNull()
      }
    },
  )

  it('prints its version, which is that of the package', async () => {
    const { version }: { readonly version: string } = JSON.parse(readFileSync('package.json', 'utf8'))
    expect(await cli(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
    expect((await cliJson(['--version'])).document).toEqual({ version })
  })

  it.each([
    [['simulater'], 'command-unknown', 'there is no command simulater', 'did you mean simulator?'],
    [
      ['frobnicate'],
      'command-unknown',
      'there is no command frobnicate',
      'cheqpoint-callback --help lists the commands',
    ],
    [['sned'], 'command-unknown', 'there is no command sned', 'did you mean send?'],
    [['--hlep'], 'option-unknown', 'there is no option --hlep', 'did you mean --help?'],
    [['simulator', '--prot', '1'], 'option-unknown', 'simulator has no option --prot', 'did you mean --port?'],
    [
      ['doctor', '--calback-url', 'x'],
      'option-unknown',
      'doctor has no option --calback-url',
      'did you mean --callback-url?',
    ],
    [['doctor', '--xyz'], 'option-unknown', 'doctor has no option --xyz', 'cheqpoint-callback doctor --help'],
    [
      ['doctor', '--constructor'],
      'option-unknown',
      'doctor has no option --constructor',
      'cheqpoint-callback doctor --help',
    ],
    [
      ['show', '-dash', '--redis', 'redis://127.0.0.1:9'],
      'option-unknown',
      'show has no option -dash',
      'a value that starts with - goes last, after --: cheqpoint-callback show -- -dash',
    ],
    [
      ['discard', '--partition'],
      'option-unknown',
      'discard has no option --partition',
      'did you mean --partitions? Or a value that starts with - goes last, after --: cheqpoint-callback discard -- --partition',
    ],
    [
      ['cancel', 'req_1', '--redsi=redis://:secret@127.0.0.1'],
      'option-unknown',
      'cancel has no option --redsi',
      'did you mean --redis?',
    ],
    [['doctor', '--callback-url'], 'option-invalid', '--callback-url needs a value', '--callback-url=URL'],
    [['send', 'http://127.0.0.1/', '--note', '--forged'], 'option-invalid', '--note needs a value', '--note=TEXT'],
    [
      ['send', '--forged=yes', 'http://127.0.0.1/'],
      'option-invalid',
      '--forged takes no value',
      'cheqpoint-callback send --help',
    ],
    [['send'], 'option-missing', 'send needs <url>', 'cheqpoint-callback send --help'],
    [['send', 'http://127.0.0.1/', 'b'], 'argument-unknown', 'too many values', 'cheqpoint-callback send --help'],
    [['doctor', 'b'], 'argument-unknown', 'too many values', 'cheqpoint-callback doctor --help'],
    [
      ['send', 'localhost:3000'],
      'option-invalid',
      '<url> must be a URL such as https://app.example.com/path',
      'cheqpoint-callback send --help',
    ],
    [
      ['send', 'http://127.0.0.1/', '--modified', '[1]'],
      'option-invalid',
      `--modified must be a JSON object, such as '{"amount":90}'`,
      'cheqpoint-callback send --help',
    ],
    [
      ['simulator', '--port', '70000'],
      'option-invalid',
      '--port must be a whole number from 0 to 65535',
      'cheqpoint-callback simulator --help',
    ],
    [
      ['pending', '--redis', 'http://127.0.0.1/'],
      'option-invalid',
      '--redis must be a URL such as redis://127.0.0.1:6379, or rediss:// with TLS',
      'cheqpoint-callback pending --help',
    ],
    [
      ['doctor', '--base-url', 'http://example.com'],
      'option-invalid',
      expect.stringContaining('baseUrl must be an https URL'),
      expect.any(String),
    ],
    [
      ['doctor', '--api-key', 'two words'],
      'option-invalid',
      expect.not.stringContaining('two words'),
      expect.any(String),
    ],
  ])('refuses %j, and names the fix', async (args, code, message, fix) => {
    expect(told(await cliHere([...args, '--json']))).toEqual({
      code: 2,
      failed: true,
      document: { error: { code, message, fix } },
    })
  })

  it('prints an error in two lines for people, and names the variable that the value came from', async () => {
    const { code, stdout, stderr } = await cli(['pending'], { REDIS_URL: 'nonsense' })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toBe(
      'error  REDIS_URL must be a URL such as redis://127.0.0.1:6379, or rediss:// with TLS (option-invalid)\n' +
        '  fix  cheqpoint-callback pending --help\n',
    )
  })

  it('exits silently when its output is closed', async () => {
    const { child, lines } = startCli(['simulator', '--port', '0', '--json', '--verbose'])
    const errors: Buffer[] = []
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
    const url = await new Promise<string>((resolve) => {
      child.stdout.once('data', (chunk: Buffer) => resolve(JSON.parse(String(chunk)).url))
    })
    expect(lines.length).toBeLessThanOrEqual(1)
    child.stdout.destroy()
    const ended = new Promise((resolve) => child.once('close', resolve))
    // Each call prints a line that cannot be written.
    await fetch(`${url}/api/approvals/a`).catch(() => null)
    expect(await ended).toBe(0)
    expect(Buffer.concat(errors).toString()).toBe('')
  })

  it.runIf(existsSync('/dev/full'))('reports in one line that its output cannot be written, with the fix', async () => {
    const failure = 'the output could not be written (ENOSPC)'
    for (const args of [['--help'], ['--version'], ['pending', '--help'], ['--help', '--json']]) {
      const { code, stderr } = await redirected(args, '> /dev/full')
      expect(code).toBe(3)
      if (args.includes('--json')) expect(JSON.parse(stderr)).toMatchObject({ error: { message: failure } })
      else
        expect(stderr).toMatch(
          /^error {2}the output could not be written \(ENOSPC\) \(output-failed\)\n {2}fix {2}.*\n$/,
        )
    }
    expect(await redirected(['--help'], '> /dev/full 2> /dev/full')).toEqual({ code: 3, stderr: '' })
    // The earlier error decides.
    expect(await redirected(['simulater'], '2> /dev/full')).toEqual({ code: 2, stderr: '' })
  })

  it('keeps its exit code when the reader closes its output', async () => {
    expect(await redirected(['--help'], '| head -c 1 > /dev/null')).toEqual({
      code: 0,
      stderr: '',
    })
    const nowhere = ['doctor', '--base-url', `http://127.0.0.1:${await closedPort()}`]
    expect(await redirected(nowhere, '| true')).toEqual({ code: 3, stderr: '' })
  })

  it('is built as a program', () => {
    const { bin }: { readonly bin: Readonly<Record<string, string>> } = JSON.parse(readFileSync('package.json', 'utf8'))
    const file = bin['cheqpoint-callback'] ?? ''
    expect(readFileSync(file, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
    expect(statSync(file).isFile()).toBe(true)
  })
})

describe('the output', () => {
  it.each([
    ['coloured on a terminal', true, {}, false, true],
    ['plain in a pipe', false, {}, false, false],
    ['plain with NO_COLOR', true, { NO_COLOR: '1' }, false, false],
    ['plain on a dumb terminal', true, { TERM: 'dumb' }, false, false],
    ['plain in JSON', true, {}, true, false],
  ])('is %s', (_, isTTY, env, json, coloured) => {
    const painted = createTerminal({ isTTY, write() {} }, env, json).paint('red', 'x')
    expect(painted !== 'x').toBe(coloured)
  })

  it('escapes control characters of untrusted text', () => {
    expect(plain('a\u001b[2Jb\r\nc\u202ed\u009b')).toBe('a\\u{1b}[2Jb\\u{d}\\u{a}c\\u{202e}d\\u{9b}')
    expect(plain('Größe 120 € 🙂')).toBe('Größe 120 € 🙂')
  })

  it('escapes them in JSON, without changing its meaning', () => {
    const document = { note: 'a\u001b[2Jb\u009bc\u202ed\u2028e\u{e0001}', fine: 'Größe 120 € 🙂' }
    const written: string[] = []
    createTerminal({ write: (text) => written.push(text) }, {}, true).print({ text: '', document })
    const [line = ''] = written
    expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u)
    expect(line).toContain('Größe 120 € 🙂')
    expect(JSON.parse(line)).toEqual(document)
  })
})
