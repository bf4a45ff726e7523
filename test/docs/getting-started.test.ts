import { execFile, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { createSimulator, type Simulator } from '../../src/simulator/index.js'
import { codeBlocks } from '../support/blocks.js'
import { describeWith } from '../support/needs.js'
import { freePort } from '../support/programs.js'

const file = 'docs/getting-started.md'
// Inside the project, so that the app imports the built package by its name.
const folder = `.tmp/getting-started-${process.pid}`

function block(language: string, including: string): string {
  const found = codeBlocks(file, language).find(({ name, code }) => name === including || code.includes(including))
  if (found === undefined) throw new Error(`${file} has no ${language} block with ${including}`)
  return found.code
}

/** The printed lines of a program. */
class Printed {
  readonly lines: string[] = []
  readonly #waiting = new Set<() => void>()

  add(line: string): void {
    this.lines.push(line)
    for (const look of this.#waiting) look()
  }

  /** Resolves with the first line that contains this text, now or later. */
  async line(text: string): Promise<string> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.lines.find((line) => line.includes(text))
        if (found === undefined) return
        this.#waiting.delete(look)
        resolve(found)
      }
      this.#waiting.add(look)
      look()
    })
  }
}

/** Runs the app of the page, unchanged except for its ports, with a simulator of this test. */
async function startApp(change: (code: string) => string = (code) => code) {
  mkdirSync(folder, { recursive: true })
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const settings = Object.fromEntries(
    block('ini', 'CALLBACK_SECRET')
      .trim()
      .split('\n')
      .map((line) => line.split('=')),
  )
  const simulator = await createSimulator({ apiKey: settings.CHEQPOINT_CONNECTION_KEY })
  onTestFinished(() => simulator.close())
  const [{ url }, port] = [await simulator.listen(), await freePort()]
  const ours = (text: string): string => text.replaceAll('http://localhost:4010', url).replaceAll('3000', String(port))
  writeFileSync(`${folder}/.env`, ours(block('ini', 'CALLBACK_SECRET')))
  writeFileSync(`${folder}/app.mjs`, ours(change(block('js', 'app.mjs'))))
  const start = block('sh', 'node ').trim().split(' ').slice(1)
  const child = spawn(process.execPath, start, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const printed = new Printed()
  for (const input of [child.stdout, child.stderr])
    createInterface({ input }).on('line', (line) => printed.add(line.replace(String(port), '3000')))
  await printed.line('listening on')
  const sh = async (command: string): Promise<string> => {
    const own = ours(command).replace('npx cheqpoint-callback', `${process.execPath} dist/src/cli/main.js`)
    // Some commands exit with an error code, while this test reads their output.
    const { stdout } = await promisify(execFile)('sh', ['-c', own]).catch((error: { readonly stdout: string }) => error)
    return stdout
  }
  const submit = async (): Promise<string> => {
    const answer = await sh(block('sh', 'curl'))
    const { approvalId } = JSON.parse(answer)
    expect(answer.trim()).toBe(block('json', 'pending').trim().replace('req_…', approvalId))
    return approvalId
  }
  return { simulator, printed, sh, submit }
}

describeWith('curl', 'docs/getting-started.md', () => {
  it('leads to a decision that is handled once, and prints the shown line', async () => {
    const { simulator, printed, submit } = await startApp()
    const approvalId = await submit()
    simulator.decide(approvalId, { status: 'approved' })
    expect(await printed.line('refunded')).toBe(shown('refunded $120', approvalId))
    await simulator.settled()
    expect((await simulator.redeliver(approvalId)).status).toBe(200)
    expect(printed.lines).toEqual(['listening on 3000', shown('refunded $120', approvalId)])
  })

  it('prints the same lines for a slow reader, while the app polls', async () => {
    const often = 'polling: { firstMs: 10, maxMs: 20 }, confirm: { minIntervalMs: 0 },'
    const { simulator, printed, submit } = await startApp((code) => code.replace('  actions: {', `  ${often}\n$&`))
    const approvalId = await submit()
    const polls = (): number => simulator.requests().filter(({ method }) => method === 'GET').length
    while (polls() < 5) await once(simulator)
    simulator.decide(approvalId, { status: 'approved' })
    await printed.line('refunded')
    await simulator.settled()
    expect(printed.lines).toEqual(['listening on 3000', shown('refunded $120', approvalId)])
  })

  it('refuses a forged callback, applies an edit, and parks an invalid one', async () => {
    const { simulator, printed, sh, submit } = await startApp()
    const answer = await sh(block('sh', '--forged'))
    expect(answer).toContain('401')
    expect(answer).toContain('token-refused')

    const edited = await submit()
    simulator.decide(edited, { status: 'approved', modifiedDetails: { orderId: '8842', amount: 50 } })
    expect(await printed.line('refunded')).toBe(shown('refunded $50', edited))
    const wrong = await submit()
    simulator.decide(wrong, { status: 'approved', modifiedDetails: { orderId: '8842', amount: -5 } })
    expect(await printed.line('parked')).toBe(shown('is parked', wrong))
    const rejected = await submit()
    simulator.decide(rejected, { status: 'rejected' })
    await printed.line('no refund: rejected')
  })

  it('finds a decision whose callback was lost', async () => {
    // The page's app polls first after 15 s.
    const soon = 'polling: { firstMs: 500 }, confirm: { minIntervalMs: 0 },'
    const { simulator, printed, submit } = await startApp((code) => code.replace('  actions: {', `  ${soon}\n$&`))
    simulator.faults.drop = true
    const approvalId = await submit()
    simulator.decide(approvalId, { status: 'approved' })
    expect(await printed.line('refunded')).toBe(shown('refunded $120', approvalId))
    expect(simulator.deliveries().map(({ answer }) => answer)).toEqual([null])
  })

  it("installs the package's peer dependencies", () => {
    const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
    const installs = block('sh', 'npm install')
    expect(installs).toContain(`npm install ${manifest.name} express zod`)
    expect(manifest.peerDependencies).toHaveProperty('express')
    expect(readFileSync(file, 'utf8')).toContain(`Node.js ${manifest.engines.node.replace('>=', '')}`)
  })
})

/** The line that the page shows, for this approval. */
function shown(including: string, approvalId: string): string {
  return block('text', including).trim().replace('req_…', approvalId)
}

/** Resolves with the next change of the simulator. */
function once(simulator: Simulator): Promise<void> {
  return new Promise((resolve) => {
    const stop = simulator.subscribe(() => {
      stop()
      resolve()
    })
  })
}
