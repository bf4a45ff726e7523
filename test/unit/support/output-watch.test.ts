import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isWatched } from '../../support/output-watch.js'

/*
 * That the watch over the whole suite can fail: test files that leak are run as any other, with tests that pass.
 */

const folder = `.tmp/output-watch-${process.pid}`
afterAll(() => rmSync(folder, { recursive: true, force: true }))

// Put together there, so that this file itself holds no secret in one piece.
const key = "['cq', 'live', 'seeded1'].join('_')"
const secret = "['a', 'secret', 'of', 'the', 'seeded', 'test'].join(' ')"
const token = "['ref-1', 't6lq2o', 'kQ3pWb1nUuM8yJx7dZcVf0aRs2hLtEoGi5KwYvXzB4Q'].join('.')"
const canary = "['CAN', 'ARYseeded'].join('')"

/** What each file does, and what is to be said of it. */
const files: Readonly<Record<string, readonly [code: readonly string[], said: readonly string[]]>> = {
  harmless: [["console.log('a key, a secret and a token', new Error('cq_live'))", "process.emitWarning('x')"], []],
  console: [
    [
      `console.log('the key is', ${key})`,
      `console.error(new Error('failed', { cause: new Error(${secret}) }))`,
      `console.info({ deep: { url: 'https://app.test/?cq=' + ${token} } })`,
      `console.warn(Buffer.from('x' + ${key}).toString('base64'), Buffer.from(${key}).toString('hex'))`,
    ],
    ['key in console', 'callback secret in console', 'token in console', 'encoded key in console'],
  ],
  streams: [
    [`process.stdout.write('x ' + ${secret})`, `process.stderr.write(Buffer.from(${token}))`],
    ['callback secret in stdout', 'token in stderr'],
  ],
  warning: [[`process.emitWarning('do not use ' + ${canary})`], ['canary in warning']],
  rejection: [[`void Promise.reject(new Error(${canary}))`], ['canary in rejection']],
}

/** How each of the files ended. */
let results: Readonly<
  Record<string, { readonly status: string; readonly tests: readonly string[]; readonly said: string }>
>

beforeAll(() => {
  mkdirSync(folder, { recursive: true })
  for (const [name, [code]] of Object.entries(files)) {
    writeFileSync(
      `${folder}/${name}.test.ts`,
      `import { it } from 'vitest'\nit('passes', async () => {\n${code.join('\n')}\nawait new Promise(setImmediate)\n})\n`,
    )
  }
  writeFileSync(
    `${folder}/vitest.config.ts`,
    "export default { test: { setupFiles: ['test/support/watch-output.ts'], fileParallelism: false } }",
  )
  const args = ['vitest', 'run', '--config', `${folder}/vitest.config.ts`, '--root', '.', '--dir', folder]
  args.push('--reporter=json', `--outputFile=${folder}/report.json`)
  spawnSync('npx', args, { encoding: 'utf8' })
  const report: Report = JSON.parse(readFileSync(`${folder}/report.json`, 'utf8'))
  results = Object.fromEntries(
    report.testResults.map(({ name, status, message, assertionResults }) => [
      name.split('/').at(-1)?.replace('.test.ts', '') ?? '',
      { status, said: message, tests: assertionResults.map((each) => each.status) },
    ]),
  )
})

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly { readonly status: string }[]
  }[]
}

describe('a test file whose tests pass', () => {
  it.each(Object.entries(files))('fails where it shows a secret, and says how: %s', (name, [, said]) => {
    const result = results[name]
    expect(result?.tests).toEqual(['passed'])
    expect(result?.status).toBe(said.length === 0 ? 'passed' : 'failed')
    for (const each of said) expect(result?.said).toContain(`- ${each}`)
    expect(result?.said).not.toMatch(/seeded/)
  })
})

describe('the secrets of the tests', () => {
  it('all have the form that the watch expects', () => {
    // Without what the lane `integration` installs.
    const folders = readdirSync('test').filter((name) => name !== 'integration')
    const sources = folders.flatMap((folder) =>
      readdirSync(`test/${folder}`, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => `${folder}/${name}`),
    )
    const secrets = sources.flatMap((name) => {
      const found = readFileSync(`test/${name}`, 'utf8').matchAll(
        /(?:callbackSecret|CALLBACK_SECRET)\w*'? ?[:=] '([^']*)'/g,
      )
      return [...found].map(([, secret = '']) => secret)
    })
    expect(secrets.length).toBeGreaterThan(3)
    expect(secrets.filter((secret) => secret !== '' && !isWatched(secret))).toEqual([])
  })
})
