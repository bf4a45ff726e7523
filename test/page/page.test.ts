import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, onTestFinished, vi } from 'vitest'
import { startProxy } from '../long/chaos/proxy.js'
import { launchChromium } from '../support/chromium.js'
import { describeWith } from '../support/needs.js'
import { apiKey, openPageBench, type PageBench } from '../support/page-bench.js'
import { faintTexts, namelessControls } from '../support/page-checks.js'
import { nextSubmission } from '../support/simulator-sink.js'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let browser: Browser
let bench: PageBench

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const item = (page: Page, summary: string) => page.getByRole('navigation').getByRole('button', { name: summary })
const entries = (page: Page) => page.locator('#deliveries summary')
const detail = (page: Page) => page.locator('#request')

/** Waits for something outside the page. */
const becomes = (look: () => unknown, wanted: unknown): Promise<void> =>
  vi.waitFor(() => expect(look()).toEqual(wanted), { timeout: 15_000, interval: 20 })

/** Waits for a text in the page. */
async function shows(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await page.locator(selector).filter({ hasText: text }).first().waitFor()
}

describeWith('chromium', 'the page of the simulator', () => {
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser.close())
  beforeEach(async () => {
    bench = await openPageBench(browser)
  })
  afterEach(() => bench.close())

  it('shows a command that submits a request, and a click on Approve runs the handler of the app', async () => {
    const page = await bench.open()
    const { url, ref } = await bench.receiver.callbackUrl()
    await page.getByLabel('Callback URL').fill(url)
    await page.keyboard.press('Tab')
    const command = await page.locator('#command').innerText()
    const env = { ...process.env, NO_PROXY: '*', no_proxy: '*' }
    const { stdout } = await promisify(execFile)('sh', ['-c', command], { env })
    const { approvalId } = JSON.parse(stdout)
    const details = { orderId: '8842', amount: 120, currency: 'USD' }
    await bench.receiver.track(approvalId, { action: 'process_refund', details, ...(ref === null ? {} : { ref }) })

    await detail(page).getByRole('heading', { name: 'Refund $120.00 for order #8842' }).waitFor()
    await page.getByLabel('Note').fill('Fine.')
    await button(page, 'Approve').click()
    await becomes(() => bench.runs.length, 1)
    expect(bench.runs[0]).toMatchObject({ approvalId, status: 'approved', details, note: 'Fine.', via: 'callback' })

    await entries(page).filter({ hasText: '200' }).click()
    await shows(page, '#deliveries', `POST ${url}`)
    await shows(page, '#deliveries', 'User-Agent: Cheqpoint-Callback/1.0')
    await shows(page, '#deliveries', '{"result":"handled"}')
    await shows(page, '#request blockquote', 'Fine.')
  })

  it('submits the same request by a click', async () => {
    const page = await bench.open()
    const submitted = nextSubmission(bench.simulator)
    await button(page, 'Send it from here').click()
    const id = await submitted
    await detail(page).getByText(id, { exact: true }).waitFor()
    await detail(page).getByText('None is due: the submission named no URL.').waitFor()
  })

  it('copies the command for this port and this key', async () => {
    const page = await bench.open({ permissions: ['clipboard-read', 'clipboard-write'] })
    await button(page, 'Copy the command').click()
    await shows(page, '#toast', 'Copied.')
    const copied = await page.evaluate('navigator.clipboard.readText()')
    expect(copied).toBe(await page.locator('#command').innerText())
    expect(copied).toContain(`${bench.url}/api/webhooks/inbound`)
    expect(copied).toContain(`x-api-key: ${apiKey}`)
  })

  it('shows the changes of an edit, and the handler gets the edited amount', async () => {
    await bench.submit(120)
    const page = await bench.open()
    await button(page, 'Edit').click()
    const editor = page.getByLabel('Details, edited')
    await page.getByText('No changes.').waitFor()
    expect(await button(page, 'Approve with changes').isDisabled()).toBe(true)
    await editor.fill((await editor.inputValue()).replace('120', '95').replace('"currency": "USD"', '"reason": "late"'))
    const changes = page.getByRole('list', { name: 'Changes' }).getByRole('listitem')
    expect(await changes.allInnerTexts().then((rows) => rows.map((row) => row.split(/\s+/)))).toEqual([
      ['changed', 'amount', '120', '→', '95'],
      ['removed', 'currency', '"USD"'],
      ['added', 'reason', '"late"'],
    ])
    await button(page, 'Approve with changes').click()
    // The receiver parks an edit that lacks a key: the page sent the edit unchanged.
    await becomes(() => bench.simulator.list()[0]?.modifiedDetails, { orderId: '8842', amount: 95, reason: 'late' })

    await bench.submit(80)
    await item(page, 'Refund $80').click()
    await button(page, 'Edit').click()
    await editor.fill((await editor.inputValue()).replace('80', '75'))
    await button(page, 'Approve with changes').click()
    await becomes(() => bench.runs.length, 1)
    expect(bench.runs[0]).toMatchObject({ details: { orderId: '8842', amount: 75, currency: 'USD' } })
    expect(bench.runs[0]).toMatchObject({ changedPaths: ['/amount'] })
  })

  it('refuses an edit that is not JSON, and shows where', async () => {
    await bench.submit()
    const page = await bench.open()
    await button(page, 'Edit').click()
    const editor = page.getByLabel('Details, edited')
    await editor.fill('{\n  "amount": 95,\n  "currency": USD\n}')
    const place = button(page, 'Line 3, column 15')
    await place.waitFor()
    await shows(page, '#edit-check', 'Expected a value.')
    expect(await button(page, 'Approve with changes').isDisabled()).toBe(true)
    expect(await editor.getAttribute('aria-invalid')).toBe('true')
    await place.click()
    const selected = 'getSelection().toString() || [document.activeElement.id, document.activeElement.selectionStart]'
    expect(await page.evaluate(selected)).toEqual('U')
    await editor.press('Control+Enter')
    await button(page, 'Cancel').click()
    await button(page, 'Approve').waitFor()
    expect(bench.simulator.list({ status: 'pending' })).toHaveLength(1)
  })

  it('rejects with a note', async () => {
    const id = await bench.submit()
    const page = await bench.open()
    await page.getByLabel('Note').fill('Not on a Friday.')
    await button(page, 'Reject').click()
    await becomes(() => bench.runs.length, 1)
    expect(bench.runs[0]).toMatchObject({ approvalId: id, status: 'rejected', note: 'Not on a Friday.' })
    await shows(page, '#request .chip', 'rejected')
  })

  it('decides with other status words too', async () => {
    await bench.submit()
    const page = await bench.open()
    await page.getByLabel('Other decision').selectOption('expired')
    await becomes(() => bench.runs.map(({ status }) => status), ['expired'])
  })

  it('delivers a callback again, without a second run of the handler', async () => {
    await bench.submit()
    const page = await bench.open()
    await button(page, 'Approve').click()
    await button(page, 'Deliver the callback again').click()
    await entries(page).nth(1).waitFor()
    await entries(page).filter({ hasText: 'redelivery' }).filter({ hasText: '200' }).click()
    await button(page, 'Deliver again').click()
    await entries(page).nth(2).filter({ hasText: '200' }).waitFor()
    await becomes(() => bench.simulator.deliveries().map(({ answer }) => answer?.status), [200, 200, 200])
    expect(bench.runs).toHaveLength(1)
  })

  it('sends a forged callback, which has no effect', async () => {
    await bench.submit()
    const page = await bench.open()
    await page.locator('#tab-faults').check()
    await page.getByLabel('Forged callback').click()
    await page.locator('#tab-callbacks').check()
    await entries(page).filter({ hasText: 'approved · by hand' }).filter({ hasText: '202' }).waitFor()
    await button(page, 'Approve').waitFor()
    expect(bench.runs).toEqual([])
  })

  it('works by keyboard alone', async () => {
    await bench.submit(10)
    await bench.submit(20)
    await bench.submit(30)
    const page = await bench.open()
    const press = async (...keys: string[]): Promise<void> => {
      for (const key of keys) await page.keyboard.press(key)
    }
    const heading = (amount: number): Promise<void> =>
      detail(page)
        .getByRole('heading', { name: `Refund $${amount} ` })
        .waitFor()
    await heading(30)
    await press('j')
    await heading(20)
    await press('ArrowDown')
    await heading(10)
    await press('k', 'ArrowUp')
    await heading(30)
    await press('a')
    await becomes(() => bench.runs.at(-1), expect.objectContaining({ status: 'approved' }))

    await heading(20)
    await press('e')
    await press('Control+End', 'ArrowUp', 'ArrowUp', 'End', 'ArrowLeft', '5', 'Control+Enter')
    await becomes(
      () => bench.runs.at(-1),
      expect.objectContaining({ details: expect.objectContaining({ amount: 205 }) }),
    )

    await heading(10)
    await press('e', 'Escape')
    await button(page, 'Approve').waitFor()
    await press('Shift+Tab')
    await page.keyboard.type('jar')
    expect(await page.getByLabel('Note').inputValue()).toBe('jar')
    await press('Escape', 'r')
    await becomes(() => bench.runs.at(-1), expect.objectContaining({ status: 'rejected', note: 'jar' }))
    await shows(page, '#request .chip', 'rejected')
    await press('d')
    await entries(page).filter({ hasText: 'redelivery' }).waitFor()

    await press('?')
    await page.getByRole('dialog').waitFor()
    await press('j', 'Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await press('f', 'Tab', 'Space')
    await becomes(() => bench.simulator.faults.drop, true)
    await press('n')
    await page.getByRole('heading', { name: 'Submit a request' }).waitFor()
  })

  it('selects the newest waiting request after a decision, and a, e and r act on it', async () => {
    for (const amount of [10, 20, 30, 40]) await bench.submit(amount)
    const page = await bench.open()
    const heading = (amount: number): Promise<void> =>
      detail(page)
        .getByRole('heading', { name: `Refund $${amount} ` })
        .waitFor()
    const last = (): unknown => {
      const run = bench.runs.at(-1)
      return [run?.status, Object(run && 'details' in run ? run.details : run?.originalDetails).amount]
    }
    await heading(40)
    await page.keyboard.press('j')
    await heading(30)
    await page.keyboard.press('a')
    await becomes(last, ['approved', 30])
    await heading(40)
    await page.keyboard.press('r')
    await becomes(last, ['rejected', 40])
    await heading(20)
    await page.keyboard.press('e')
    const editor = page.getByLabel('Details, edited')
    await editor.fill((await editor.inputValue()).replace('20', '15'))
    await editor.press('Control+Enter')
    await becomes(last, ['approved', 15])
    await heading(10)
    await button(page, 'Approve').click()
    await becomes(last, ['approved', 10])
    // No request is pending: the one decided last stays selected.
    await shows(page, '#request .chip', 'approved')
    await heading(10)
  })

  it('keeps a request selected that another client decides', async () => {
    const [, second] = [await bench.submit(10), await bench.submit(20)]
    const page = await bench.open()
    await detail(page).getByRole('heading', { name: 'Refund $20 ' }).waitFor()
    bench.simulator.decide(second, { status: 'rejected' })
    await shows(page, '#request .chip', 'rejected')
    await detail(page).getByRole('heading', { name: 'Refund $20 ' }).waitFor()
  })

  it('reaches every control by Tab, with a visible focus ring', async () => {
    await bench.submit()
    const page = await bench.open()
    await page.locator('#tab-faults').check()
    const wanted = 'button, a[href], select, textarea, input:not([type=radio]), summary, [tabindex="0"]'
    const all = await page.locator(wanted).filter({ visible: true }).count()
    await page.evaluate('document.activeElement.blur()')
    const seen = new Set<string>()
    const bare: string[] = []
    for (let press = 0; press < all + 5; press++) {
      await page.keyboard.press('Tab')
      const [key, ringed] = (await page.evaluate(`(() => {
        const at = document.activeElement
        at.dataset.order ??= String(document.querySelectorAll('[data-order]').length)
        const ring = at.matches('[type=radio]') ? at.parentElement : at
        return [at.matches('${wanted}') ? at.dataset.order : '', getComputedStyle(ring).outlineStyle === 'solid']
      })()`)) as [string, boolean]
      if (key !== '') seen.add(key)
      if (!ringed && !(await page.evaluate('document.activeElement === document.body'))) bare.push(key)
    }
    expect(seen.size).toBe(all)
    expect(bare).toEqual([])
  })

  it('shows hostile text as text everywhere', async () => {
    const evil = `<img src=x onerror="alert(1)"><script>alert(2)</script>"'><svg onload=alert(3)>`
    const details = { [evil]: evil, nested: [{ [evil]: evil }] }
    const fields = { action: evil, summary: evil, details, justification: evil, metadata: { [evil]: evil } }
    const page = await bench.open()
    const post = (body: object) =>
      fetch(`${bench.url}/api/webhooks/inbound`, {
        method: 'POST',
        headers: { 'x-api-key': apiKey },
        body: JSON.stringify(body),
      })
    const sink = `${bench.url}/api/%3Cimg%20src=x%20onerror=alert(4)%3E`
    await post({ ...fields, callbackUrl: sink })
    await detail(page).getByRole('heading', { name: evil }).waitFor()
    await detail(page).getByText('Also submitted').click()
    await button(page, 'Edit').click()
    const editor = page.getByLabel('Details, edited')
    await editor.fill(JSON.stringify({ ...details, [`${evil}2`]: evil }))
    await shows(page, '#edit-check', `${evil}2`)
    await editor.fill(`{ ${evil}`)
    await shows(page, '#edit-check', 'Line 1')
    await editor.fill(JSON.stringify({ ...details, [`${evil}2`]: evil }))
    await page.getByLabel('Note').fill(evil)
    await button(page, 'Approve with changes').click()
    await shows(page, '#request blockquote', evil)
    await entries(page).first().click()
    await shows(page, '#deliveries', 'onerror')
    await page.locator('#tab-calls').check()
    await shows(page, '#call-list', 'onerror')

    expect(await page.locator('script').count()).toBe(1)
    expect(await page.locator('img').count()).toBe(1)
    expect(await page.locator('svg').count()).toBe(0)
    expect(bench.pages[0]?.complaints).toEqual([])
  })

  it('keeps two pages in sync, and shows changes made by code', async () => {
    const one = await bench.open()
    const other = await bench.open()
    await bench.submit(120)
    for (const page of [one, other]) await item(page, 'Refund $120').waitFor()
    await button(one, 'Approve').click()
    await shows(other, '#request .chip', 'approved')
    await entries(other).filter({ hasText: '200' }).waitFor()

    await one.locator('#tab-faults').check()
    await other.locator('#tab-faults').check()
    await one.getByLabel('Lose callbacks').check()
    await shows(other, '#fault-count', '1 on')
    expect(await other.getByLabel('Lose callbacks').isChecked()).toBe(true)
    bench.simulator.faults.slowMs = 250
    bench.simulator.faults.api = { status: 418, rate: 0.5, retryAfter: 7 }
    bench.simulator.rule(() => null)
    for (const page of [one, other]) {
      await shows(page, '#fault-count', '3 on')
      await becomesIn(page, '#slowMs', '250')
      await becomesIn(page, '#api-status', '418')
      await becomesIn(page, '#api-rate', '50')
      await becomesIn(page, '#api-wait', '7')
      await becomesIn(page, '#rule', 'code')
    }
    await button(one, 'Turn all faults off').click()
    await becomes(() => ({ ...bench.simulator.faults }), expect.objectContaining({ drop: false, api: null, slowMs: 0 }))
    await becomesIn(other, '#api-status', '')
  })

  it('reports that the simulator is gone, and reconnects to the next one at the same address', async () => {
    await bench.submit()
    const page = await bench.open()
    const port = Number(new URL(bench.url).port)
    await bench.simulator.close()
    await page.getByText('The simulator is gone. Trying again…').waitFor()
    await button(page, 'Approve').click()
    await shows(page, '#toast', 'The simulator does not respond.')

    const { createSimulator } = await import('cheqpoint-callback/simulator')
    const next = await createSimulator({ apiKey: 'cq_live_next' })
    await next.listen(port)
    try {
      await page.getByText('Live', { exact: true }).waitFor()
      await page.getByRole('heading', { name: 'Submit a request' }).waitFor()
      await shows(page, '#command', 'cq_live_next')
    } finally {
      await next.close()
    }
  })

  it('keeps unsent input when its connection breaks', async () => {
    await bench.submit()
    const proxy = await startProxy(Number(new URL(bench.url).port))
    onTestFinished(() => proxy.close())
    const page = await bench.open()
    await page.goto(`http://127.0.0.1:${proxy.port}/`)
    await button(page, 'Edit').click()
    await page.getByLabel('Details, edited').fill('{ "amount": 9')
    await page.getByLabel('Note').fill('Half a sen')
    const again = page.waitForRequest((request) => request.url().endsWith('/ui/events'))
    proxy.cut()
    await bench.submit(7, 'Came meanwhile')
    await again
    await item(page, 'Came meanwhile').waitFor()
    expect(await page.getByLabel('Details, edited').inputValue()).toBe('{ "amount": 9')
    expect(await page.getByLabel('Note').inputValue()).toBe('Half a sen')
  })

  it('selects the request that a review URL names', async () => {
    const id = await bench.submit(10, 'The first')
    await bench.submit(20, 'The second')
    const page = await bench.open({}, `#${id}`)
    await detail(page).getByRole('heading', { name: 'The first' }).waitFor()
  })

  it.each(['light', 'dark'] as const)(
    'names every control, and has strong enough colours, in %s',
    async (colorScheme) => {
      const page = await bench.open({ colorScheme })
      const good = async (): Promise<void> => {
        expect(await namelessControls(page)).toEqual([])
        expect(await faintTexts(page)).toEqual([])
      }
      await good()
      await bench.submit()
      await button(page, 'Approve').waitFor()
      await good()
      await button(page, 'Edit').click()
      await page.getByLabel('Details, edited').fill('{ "amount": 95 }')
      await good()
      await page.getByLabel('Details, edited').fill('{ amount: 95 }')
      await good()
      await page.getByLabel('Details, edited').fill('{ "amount": 95, "reason": null }')
      await button(page, 'Approve with changes').click()
      await entries(page).first().click()
      await good()
      await page.locator('#tab-calls').check()
      await good()
      await page.locator('#tab-faults').check()
      await page.getByLabel('Answer every call').selectOption('401')
      await page.getByLabel('Next calls only').waitFor()
      await good()
      await button(page, 'Keys').click()
      await good()
    },
  )

  it('makes no request to another origin, and logs no error', async () => {
    await bench.submit()
    const page = await bench.open()
    await button(page, 'Approve').click()
    await entries(page).filter({ hasText: '200' }).click()
    expect([...(bench.pages[0]?.origins ?? [])]).toEqual([bench.url])
    expect(bench.pages[0]?.complaints).toEqual([])
  })

  it.each([1280, 900, 720, 320])('needs no sideways scrolling at a width of %i', async (width) => {
    await bench.submit(120, 'A_long_word_'.repeat(30))
    const page = await bench.open({ viewport: { width, height: 700 } })
    const fits = async (): Promise<void> =>
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await fits()
    if (width <= 720) await item(page, 'A_long_word_').click()
    await button(page, 'Edit').click()
    await fits()
    await page.getByLabel('Details, edited').fill(`{"${'key'.repeat(80)}": "${'value'.repeat(80)}"}`)
    await fits()
    await button(page, 'Approve with changes').click()
    await entries(page).first().click()
    await fits()
    for (const tab of ['#tab-calls', '#tab-faults']) {
      await page.locator(tab).check()
      await fits()
    }
    if (width > 720) return
    await button(page, '‹ All requests').click()
    await item(page, 'A_long_word_').waitFor()
    await fits()
  })
})

async function becomesText(page: Page, selector: string, text: string): Promise<void> {
  await vi.waitFor(async () => expect(await page.locator(selector).innerText()).toBe(text), { timeout: 15_000 })
}

async function becomesIn(page: Page, selector: string, value: string): Promise<void> {
  await vi.waitFor(async () => expect(await page.locator(selector).inputValue()).toBe(value), { timeout: 15_000 })
}

describeWith('chromium', 'the fault switches of the page', () => {
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser.close())
  afterEach(() => bench.close())

  it('lose a callback, whose decision the sweep finds', async () => {
    bench = await openPageBench(browser, { firstPollMs: 100 })
    const id = await bench.submit()
    const page = await bench.open()
    await page.locator('#tab-faults').check()
    await page.getByLabel('Lose callbacks').check()
    await becomes(() => bench.simulator.faults.drop, true)
    await button(page, 'Approve').click()
    await becomes(
      () => bench.runs.map(({ approvalId, via }) => ({ approvalId, via })),
      [{ approvalId: id, via: 'poll' }],
    )
    await page.locator('#tab-callbacks').check()
    await entries(page).filter({ hasText: 'lost' }).waitFor()
    await page.locator('#tab-calls').check()
    const look = page
      .locator('#call-list li')
      .filter({ hasText: 'GET' })
      .filter({ hasText: `/api/approvals/${id}` })
    await look.filter({ hasText: '200' }).first().waitFor()
  })

  it('keep a change while older messages still arrive', async () => {
    bench = await openPageBench(browser)
    const page = await bench.open()
    await page.locator('#tab-faults').check()
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    await page.route('**/ui/faults', async (route) => {
      await held
      await route.continue()
    })
    const drop = page.getByLabel('Lose callbacks')
    await drop.check()
    await bench.submit()
    await shows(page, '#waiting-count', '1')
    expect(await drop.isChecked()).toBe(true)
    release()
    await becomes(() => bench.simulator.faults.drop, true)
    expect(await drop.isChecked()).toBe(true)
  })

  it('go back when the simulator refuses the change', async () => {
    bench = await openPageBench(browser)
    const page = await bench.open()
    await page.locator('#tab-faults').check()
    await page.route('**/ui/faults', (route) => route.fulfill({ status: 400, json: { error: 'not now' } }))
    await page.locator('#drop').click()
    await page.getByText('Refused: not now').waitFor()
    await vi.waitFor(async () => expect(await page.locator('#drop').isChecked()).toBe(false))
  })

  it('set every fault of the simulator', async () => {
    bench = await openPageBench(browser)
    const page = await bench.open()
    await page.locator('#tab-faults').check()
    for (const label of ['Lose callbacks', 'Early callbacks', 'Lose answers']) await page.getByLabel(label).check()
    const amounts = {
      Duplicates: '1',
      'Delay, ms': '2',
      Retries: '3',
      'Before a retry, ms': '4',
      'Slow answers, ms': '5',
      'Stale reads': '6',
      'Stale for, ms': '7',
    }
    for (const [label, value] of Object.entries(amounts)) {
      await page.getByLabel(label, { exact: true }).fill(value)
      await page.keyboard.press('Enter')
    }
    await page.getByLabel('Answer every call').selectOption('500')
    await becomes(() => ({ ...bench.simulator.faults }), {
      drop: true,
      early: true,
      loseSubmitResponse: true,
      duplicate: 1,
      delayMs: 2,
      retries: 3,
      retryDelayMs: 4,
      slowMs: 5,
      staleReads: 6,
      staleMs: 7,
      api: { status: 500 },
    })
    await becomesText(page, '#fault-count', '11 on')
    for (const control of await page.locator('#faults > div > :is(input, select, button)').all()) {
      const described = await control.getAttribute('aria-describedby')
      expect(await page.locator(`#${described}`).innerText()).toMatch(/^[A-Z].*\.$/s)
    }
  })

  it('fail a number of API calls, with a Retry-After', async () => {
    bench = await openPageBench(browser)
    const page = await bench.open()
    await page.locator('#tab-faults').check()
    await page.getByLabel('Answer every call').selectOption('429')
    await page.getByLabel('Next calls only').fill('2')
    await page.getByLabel('Retry-After, s').fill('9')
    await page.getByLabel('Share of calls, %').fill('100')
    await page.getByLabel('Share of calls, %').press('Enter')
    await becomes(() => bench.simulator.faults.api, { status: 429, count: 2, retryAfter: 9, rate: 1 })
    const answer = await fetch(`${bench.url}/api/approvals/any`, { headers: { 'x-api-key': apiKey } })
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '9'])
    await becomesIn(page, '#api-count', '1')
    await fetch(`${bench.url}/api/approvals/any`, { headers: { 'x-api-key': apiKey } })
    await becomesText(page, '#fault-count', '')
    await becomesIn(page, '#api-status', '')
  })

  it('let a rule decide, with the callback before the response to the submission', async () => {
    bench = await openPageBench(browser)
    const page = await bench.open()
    await page.locator('#tab-faults').check()
    await page.getByLabel('Early callbacks').check()
    await page.getByLabel('Who decides').selectOption('approve')
    await becomes(() => bench.simulator.faults.early, true)
    await vi.waitFor(async () => expect(await page.locator('#rule').inputValue()).toBe('approve'))
    await bench.submit()
    await becomes(() => bench.runs.map(({ status }) => status), ['approved'])
    await page.locator('#tab-callbacks').check()
    await entries(page).first().waitFor()
    await item(page, 'approved').waitFor()
  })
})
