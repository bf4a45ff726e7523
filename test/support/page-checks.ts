import type { Page } from 'playwright-core'

/** Roles and places of focusable elements without a name, from Chromium's accessibility tree. */
export async function namelessControls(page: Page): Promise<readonly string[]> {
  const session = await page.context().newCDPSession(page)
  const { nodes } = await session.send('Accessibility.getFullAXTree')
  await session.detach()
  const reachable = nodes.filter(
    ({ ignored, properties }) => !ignored && properties?.some(({ name, value }) => name === 'focusable' && value.value),
  )
  if (reachable.length === 0) throw new Error('the tree of the page holds no controls')
  return reachable.filter(({ name }) => !name?.value).map(({ role, nodeId }) => `${role?.value} ${nodeId}`)
}

/** Visible texts with a contrast below 4.5 to 1, as `ratio: text`. */
export async function faintTexts(page: Page): Promise<readonly string[]> {
  return (await page.evaluate(script)) as readonly string[] // what the script below gives
}

// As JavaScript text, because this program has no DOM types.
const script = `(() => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 })
  const paint = canvas.getContext('2d', { willReadFrequently: true })
  const under = (element) => (element ? [...under(element.parentElement), getComputedStyle(element).backgroundColor] : [])
  const pixel = (colours) => {
    paint.fillStyle = '#fff'
    for (const colour of ['#fff', ...colours]) {
      paint.fillStyle = colour
      paint.fillRect(0, 0, 1, 1)
    }
    return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3)
  }
  const light = (rgb) => {
    const [r, g, b] = rgb.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const faint = []
  let looked = 0
  for (const element of document.body.querySelectorAll('*')) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join('')
    if (text === '' || !element.checkVisibility({ opacityProperty: true }) || element.closest(':disabled, [aria-hidden]')) continue
    looked++
    const behind = under(element)
    const [one, other] = [pixel(behind), pixel([...behind, getComputedStyle(element).color])].map(light)
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
    if (ratio < 4.5) faint.push(ratio.toFixed(2) + ': ' + text.slice(0, 40))
  }
  return looked > 20 ? faint : ['only ' + looked + ' texts were looked at']
})()`
