import { createTraceState, type SpanContext } from '@opentelemetry/api'
import { describe, expect, it } from 'vitest'
import { readTrace, writeTrace } from '../../../src/opentelemetry/trace-context.js'

const span: SpanContext = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: 1,
}
const written = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe('a trace', () => {
  it('is written as traceparent, and read back as one from elsewhere', () => {
    expect(writeTrace(span)).toBe(written)
    expect(readTrace(written)).toEqual({ ...span, isRemote: true })
  })

  it('that is not sampled says so', () => {
    expect(writeTrace({ ...span, traceFlags: 0 })).toBe(written.replace(/1$/, '0'))
    expect(readTrace(written.replace(/1$/, '0'))?.traceFlags).toBe(0)
  })

  it('keeps what vendors add to it', () => {
    const text = writeTrace({ ...span, traceState: createTraceState('rojo=00f067aa0ba902b7,congo=t61rcWkgMzE') })
    expect(text).toBe(`${written} rojo=00f067aa0ba902b7,congo=t61rcWkgMzE`)
    expect(readTrace(text ?? null)?.traceState?.get('congo')).toBe('t61rcWkgMzE')
  })

  it('has 512 characters at the most: what vendors add is left out where there would be more', () => {
    const state = (length: number) => createTraceState(`a=${'x'.repeat(200)},b=${'y'.repeat(length)}`)
    const longest = writeTrace({ ...span, traceState: state(512 - written.length - 1 - 205) })
    expect(longest).toHaveLength(512)
    expect(readTrace(longest ?? null)?.traceState?.get('b')).toMatch(/^y+$/)
    expect(writeTrace({ ...span, traceState: state(512 - written.length - 205) })).toBe(written)
  })

  it('is not written where there is none', () => {
    expect(writeTrace(undefined)).toBeUndefined()
    expect(writeTrace({ ...span, traceId: '0'.repeat(32) })).toBeUndefined()
    expect(writeTrace({ ...span, spanId: '' })).toBeUndefined()
  })

  it.each([
    ['nothing', null],
    ['an empty text', ''],
    ['a text that lacks its beginning', written.slice(1)],
    ['capitals', written.toUpperCase()],
    ['a text that goes on', `${written}-`],
    ['another version', written.replace('00-', 'ff-')],
    ['a trace of zeros', written.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32))],
    ['a span of zeros', written.replace('b7ad6b7169203331', '0'.repeat(16))],
    ['several lines', `${written} a=b\nc`],
    ['more than 512 characters', `${written} a=${'x'.repeat(512)}`],
  ])('is not read from %s', (_, text) => {
    expect(readTrace(text)).toBeNull()
  })
})
