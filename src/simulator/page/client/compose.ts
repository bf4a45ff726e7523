import { byId, field } from './dom.js'
import { say } from './state.js'

const sample = {
  action: 'process_refund',
  summary: 'Refund $120.00 for order #8842',
  details: { orderId: '8842', amount: 120, currency: 'USD' },
}

/** Connects the controls that show how to submit a request. Returns a function that sets the shown key. */
export function createCompose(): (key: string) => void {
  const url = field('callback-url')
  let apiKey = ''

  function body(): object {
    return url.value === '' ? sample : { ...sample, callbackUrl: url.value }
  }
  function draw(): void {
    const { origin } = location
    const headers = ['content-type: application/json', `x-api-key: ${apiKey}`].map((line) => `  -H ${shell(line)} \\\n`)
    const fields = Object.entries(body()).map(([name, value]) => `    "${name}": ${JSON.stringify(value)}`)
    byId('command').textContent =
      `curl -X POST ${origin}/api/webhooks/inbound \\\n${headers.join('')}  -d ${shell(`{\n${fields.join(',\n')}\n  }`)}`
    byId('settings').textContent = `baseUrl: ${JSON.stringify(origin)},\napiKey: ${JSON.stringify(apiKey)},`
  }
  async function submit(): Promise<void> {
    const headers = { 'content-type': 'application/json', 'x-api-key': apiKey }
    const answer = await fetch('api/webhooks/inbound', { method: 'POST', headers, body: JSON.stringify(body()) }).catch(
      () => null,
    )
    if (answer === null) say('The simulator did not respond.', 'bad')
    else if (!answer.ok) say(`Refused with ${answer.status}: ${await answer.text()}`, 'bad')
  }

  url.addEventListener('input', draw)
  byId('submit').addEventListener('click', () => void submit())
  for (const name of ['command', 'settings']) byId(`copy-${name}`).addEventListener('click', () => copy(byId(name)))
  return (key) => {
    apiKey = key
    draw()
  }
}

function copy(code: HTMLElement): void {
  navigator.clipboard.writeText(code.textContent).then(
    () => say('Copied.'),
    () => say('The browser does not let this page copy. Select the text instead.', 'bad'),
  )
}

/** Quotes text as one shell word. */
function shell(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
