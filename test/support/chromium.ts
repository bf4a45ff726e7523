import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { findTool } from './needs.js'

/** A browser with an empty profile that can only reach this machine. */
export function launchChromium(): Promise<Browser> {
  const found = findTool('chromium')
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

/** A page, with its console messages and requests. */
export interface WatchedPage {
  readonly page: Page
  /** Errors, warnings and refusals, as the console shows them. */
  readonly complaints: string[]
  /** Origins of all requests. */
  readonly origins: ReadonlySet<string>
}

/** Opens an empty page in a new profile, with a fixed time zone and language. */
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
