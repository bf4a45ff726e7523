import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSimulator, type Simulator } from 'cheqpoint-callback/simulator'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { launchChromium, openPage } from '../support/chromium.js'
import { describeWith } from '../support/needs.js'

// On request, rewrites the documents' pictures, with the ports that readers see. Otherwise only tests that this works.
const asked = process.env['WRITE_PICTURES'] !== undefined
const apiKey = 'cq_live_local'

let browser: Browser
let simulator: Simulator
let app: Server
let url: string
let folder: string
let now = Date.parse('2026-04-01T09:30:00.000Z')

/** Submits a request half a minute after the last. Resolves with its id. */
async function submit(action: string, summary: string, details: object, more: object = {}): Promise<string> {
  now += 31_000
  const { port } = app.address() as AddressInfo // the address of a TCP server is an object
  const callbackUrl = `http://127.0.0.1:${port}/webhooks/cheqpoint?cq=7f3kq2.mrx1c0.J8vQ4sYbW2n`
  const body = JSON.stringify({ action, summary, details, callbackUrl, ...more })
  const headers = { 'x-api-key': apiKey }
  const answer = await fetch(`${url}/api/webhooks/inbound`, { method: 'POST', headers, body })
  return JSON.parse(await answer.text()).approvalId
}

async function decide(id: string, decision: Parameters<Simulator['decide']>[1]): Promise<void> {
  now += 12_000
  simulator.decide(id, decision)
  await simulator.settled()
}

async function open(colorScheme: 'light' | 'dark'): Promise<Page> {
  const { page } = await openPage(browser, { colorScheme, viewport: { width: 1280, height: 800 } })
  await page.goto(`${url}/`)
  await page.getByText('Live', { exact: true }).waitFor()
  return page
}

async function take(page: Page, name: string): Promise<void> {
  const path = join(folder, name)
  await page.mouse.move(0, 0)
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' })
  await page.context().close()
  expect((await stat(path)).size).toBeLessThan(200_000)
  expect((await readFile(path)).readUInt32BE(16)).toBe(1280)
}

describeWith('chromium', 'the pictures of the page', () => {
  beforeAll(async () => {
    browser = await launchChromium()
    folder = asked ? 'docs/images' : await mkdtemp(join(tmpdir(), 'cheqpoint-pictures-'))
    let turn = 0
    const random = (): number => ((turn++ * 11) % 36) / 36
    simulator = await createSimulator({ apiKey, random, clock: { now: () => now, elapsed: () => now } })
    url = (await simulator.listen(asked ? 4010 : 0)).url
    app = createServer((_, answer) => answer.end('{"result":"handled"}'))
    await new Promise<void>((resolve) => app.listen(asked ? 3000 : 0, '127.0.0.1', resolve))

    await submit('delete_account', 'Delete the account of Mara Lindqvist', { userId: 'u_4471', reason: 'GDPR' })
    const refund = (orderId: string, amount: number, more: object = {}): Promise<string> =>
      submit('process_refund', `Refund $${amount.toFixed(2)} for order #${orderId}`, {
        orderId,
        amount,
        currency: 'USD',
        ...more,
      })
    const plain = await refund('8790', 40)
    const mail = await submit('send_email', 'Tell 1,204 customers about the outage', { recipients: 1204 })
    const edited = await refund('8815', 35.5)
    await submit('change_price', 'Raise the price of SKU 118 to $24', { sku: '118', from: 19, to: 24 })
    await refund('8842', 120, { reason: 'Arrived broken' })
    await decide(plain, { status: 'approved', note: 'Fine.' })
    await decide(mail, { status: 'rejected', note: 'Not on a Friday. Ask again on Monday, please.' })
    simulator.faults.drop = true
    const edit = { orderId: '8815', amount: 30, currency: 'USD', reason: 'goodwill' }
    await decide(edited, { status: 'approved', note: 'Shipping is not refunded.', modifiedDetails: edit })
    now += 15_000
    await fetch(`${url}/api/approvals/${edited}`, { headers: { 'x-api-key': apiKey } })
    now += 4_000
    await simulator.redeliver(plain)
  })

  afterAll(async () => {
    await browser.close()
    await simulator.close()
    await new Promise((resolve) => app.close(resolve))
    if (!asked) await rm(folder, { recursive: true, force: true })
  })

  it('show a pending request, and a callback with its response', async () => {
    const page = await open('light')
    await page.locator('#deliveries summary').first().click()
    await take(page, 'simulator-light.png')
  })

  it('show a decision and the faults in dark mode', async () => {
    const page = await open('dark')
    await page.getByRole('navigation').getByRole('button', { name: 'order #8815' }).click()
    await page.locator('#tab-faults').check()
    await take(page, 'simulator-dark.png')
  })

  it('show an edit before it is sent', async () => {
    const page = await open('light')
    await page.keyboard.press('e')
    const editor = page.getByLabel('Details, edited')
    const text = (await editor.inputValue()).replace('120', '95').replace('Arrived broken', 'Arrived late')
    await editor.fill(text.replace('"currency": "USD",', '"currency": "USD",\n  "partial": true,'))
    await page.getByLabel('Note').fill('We keep the shipping fee.')
    await page.locator('#tab-calls').check()
    await take(page, 'simulator-edit.png')
  })
})
