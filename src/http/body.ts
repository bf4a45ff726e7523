import type { Readable } from 'node:stream'
import { isAnyArrayBuffer, isUint8Array } from 'node:util/types'
import type { Refusal } from '../model/outcome.js'
import { readUtf8 } from '../util/json.js'
import type { UnreadBodies } from './unread-bodies.js'

/**
 * The body of a request, as the host left it: an unread stream, what a parser made of it, or nothing because
 * something else read it. Since nothing signs the bytes, every form is as good.
 */
export type CallbackBody =
  | {
      readonly stream: Readable | ReadableStream<Uint8Array> | null
      /** Reads the same body in one piece, where the host does that better. Asked only for a declared length within the limit. */
      readonly whole?: (() => Promise<ArrayBuffer>) | undefined
      /** Ends what would still come of it once the response is sent, where no connection is closed for that. */
      readonly drop?: (() => void) | undefined
    }
  | { readonly parsed: unknown }
  | { readonly alreadyRead: true }

export interface BodyLimits {
  readonly maxBytes: number
  /** Bounds how many bodies are waited for, and for how long. */
  readonly unread: UnreadBodies
}

/**
 * The JSON value of a body, or why there is none. Reads one chunk past the limit at the most; never waits for a stream
 * that is over. `declared`: a length within the limit, at which the host itself ends the body.
 */
export function readBody(
  body: CallbackBody,
  limits: BodyLimits,
  declared?: number,
): Parsed | Refusal | Promise<Parsed | Refusal> {
  if ('alreadyRead' in body) return { kind: 'body-already-read' }
  if ('parsed' in body) return parse(readParsed(body.parsed), limits)
  return readUnread(body, limits, declared).then((read) => parse(read, limits))
}

/** A body that was JSON. */
export interface Parsed {
  readonly value: unknown
}

function parse(read: Uint8Array | Parsed | Refusal, { maxBytes }: BodyLimits): Parsed | Refusal {
  if (!ArrayBuffer.isView(read)) return read
  if (read.byteLength > maxBytes) return { kind: 'body-too-large' }
  try {
    const text = readUtf8(read)
    return text === null ? { kind: 'malformed' } : { value: JSON.parse(text) }
  } catch {
    return { kind: 'malformed' }
  }
}

function readParsed(parsed: unknown): Uint8Array | Parsed {
  if (typeof parsed === 'string') return Buffer.from(parsed)
  // Those of another realm are no instances of ours.
  if (isAnyArrayBuffer(parsed)) return Buffer.from(parsed)
  return isUint8Array(parsed) ? parsed : { value: parsed }
}

function readUnread(
  body: Extract<CallbackBody, { stream: unknown }>,
  limits: BodyLimits,
  declared: number | undefined,
): Promise<Uint8Array | Refusal> {
  if (declared !== undefined && body.whole !== undefined) return readWhole(body.whole, declared, limits)
  const { stream, drop } = body
  if (stream === null) return Promise.resolve(new Uint8Array())
  return 'getReader' in stream ? readWeb(stream, limits) : readNode(stream, limits, drop)
}

function readWhole(
  whole: () => Promise<ArrayBuffer>,
  declared: number,
  { unread }: BodyLimits,
): Promise<Uint8Array | Refusal> {
  return new Promise((resolve) => {
    const finish = (read: Uint8Array | Refusal): void => {
      waiting.end()
      resolve(read)
    }
    // A TypeError is the Fetch standard's word for a body that something else has read.
    const fail = (error: unknown): void =>
      finish({ kind: nameOf(error) === 'TypeError' ? 'body-already-read' : 'body-aborted' })
    const waiting = unread.start(() => finish({ kind: 'body-too-slow' }))
    // What has come of it is not shown: as much as it may become is counted.
    waiting.keep(declared)
    try {
      whole().then((bytes) => finish(Buffer.from(bytes)), fail)
    } catch (error) {
      fail(error)
    }
  })
}

function readNode(
  stream: Readable,
  { maxBytes, unread }: BodyLimits,
  drop: (() => void) | undefined,
): Promise<Uint8Array | Refusal> {
  if (stream.readableDidRead) return Promise.resolve({ kind: 'body-already-read' })
  // An empty body can end without having been read.
  if (stream.readableEnded) return Promise.resolve(new Uint8Array())
  if (stream.destroyed) return Promise.resolve({ kind: 'body-aborted' })
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = []
    let size = 0
    const finish = (read: Uint8Array | Refusal): void => {
      waiting.end()
      stream.off('data', onData).off('end', onEnd).off('close', onAbort)
      // What comes after a refusal is nobody's: the error listener stays, so that a late reset is no crash.
      stream.pause()
      if ('kind' in read) drop?.()
      resolve(read)
    }
    const onData = (chunk: Uint8Array | string): void => {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      size += bytes.byteLength
      if (size > maxBytes) finish({ kind: 'body-too-large' })
      else {
        chunks.push(bytes)
        waiting.keep(bytes.byteLength)
      }
    }
    const onEnd = (): void => finish(joined(chunks, size))
    const onAbort = (): void => finish({ kind: 'body-aborted' })
    const waiting = unread.start(() => finish({ kind: 'body-too-slow' }))
    stream.on('error', onAbort).on('close', onAbort).on('end', onEnd).on('data', onData)
  })
}

async function readWeb(
  stream: ReadableStream<Uint8Array>,
  { maxBytes, unread }: BodyLimits,
): Promise<Uint8Array | Refusal> {
  if (stream.locked) return { kind: 'body-already-read' }
  const reader = stream.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  let tooSlow = false
  const stop = (): void => void reader.cancel().catch(() => {}) // a source that fails while being cancelled is over all the same
  const waiting = unread.start(() => {
    tooSlow = true
    stop()
  })
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      // A stream that was made by hand may hold anything.
      if (!ArrayBuffer.isView(next.value)) {
        stop()
        return { kind: 'malformed' }
      }
      size += next.value.byteLength
      if (size > maxBytes) {
        stop()
        return { kind: 'body-too-large' }
      }
      chunks.push(next.value)
      waiting.keep(next.value.byteLength)
    }
    return tooSlow ? { kind: 'body-too-slow' } : joined(chunks, size)
  } catch {
    return { kind: tooSlow ? 'body-too-slow' : 'body-aborted' }
  } finally {
    waiting.end()
  }
}

function nameOf(error: unknown): unknown {
  return Object(error).name
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, size)
}
