import { execFileSync } from 'node:child_process'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { describe } from 'vitest'

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]
const wished = process.env['CHROMIUM_PATH']
const found = (wished === undefined ? places : [wished]).find(runs)

/** A `describe` that needs Chromium: where it is missing it fails in CI, and skips with a warning elsewhere. */
export function describeWithChromium(name: string, body: () => void): void {
  if (found !== undefined) {
    describe(name, body)
    return
  }
  if (process.env['CI']) throw new Error(`Chromium is not installed, nor named by CHROMIUM_PATH; CI must run: ${name}`)
  console.warn(`SKIPPED, because Chromium is not installed, nor named by CHROMIUM_PATH: ${name}`)
  describe.skip(name, body)
}

/** A browser with nothing in it, which reaches this machine only. */
export function launchChromium(): Promise<Browser> {
  if (found === undefined) throw new Error('Chromium is not installed')
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
  ]
  return chromium.launch({ executablePath: found, headless: true, args })
}

/** A page, with everything it complained about and asked for. */
export interface WatchedPage {
  readonly page: Page
  /** Errors, warnings and refusals, as the console shows them. */
  readonly complaints: string[]
  /** Origins that something was asked of. */
  readonly origins: ReadonlySet<string>
}

/** Opens an empty page in a profile of its own. Its clock and its words are the same everywhere. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const same = { timezoneId: 'UTC', locale: 'en-GB', viewport: { width: 1280, height: 800 } }
  const context = await browser.newContext({ ...same, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const complaints: string[] = []
  const origins = new Set<string>()
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => origins.add(new URL(request.url()).origin))
  return { page, complaints, origins }
}

function runs(path: string): boolean {
  try {
    execFileSync(path, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
