import type { Readable } from 'node:stream'
import { isAnyArrayBuffer, isUint8Array } from 'node:util/types'
import type { RefusalReason } from '../model/events.js'
import type { Refusal } from '../model/outcome.js'
import { InFlight } from '../util/in-flight.js'
import { readUtf8 } from '../util/json.js'

/**
 * The body of a request, as the host left it: an unread stream, what a parser made of it, or nothing because
 * something else read it. Nothing signs the bytes, so any form will do.
 */
export type CallbackBody =
  | {
      readonly stream: Readable | ReadableStream<Uint8Array> | null
      /** Reads the same body in one piece, if that is cheaper. Called only with a declared length within the limit. */
      readonly whole?: (() => Promise<ArrayBuffer>) | undefined
      /** Ends the rest of the body once the response is sent, on hosts where no connection is closed for that. */
      readonly drop?: (() => void) | undefined
    }
  | { readonly parsed: unknown }
  | { readonly alreadyRead: true }

export interface BodyLimits {
  readonly maxBytes: number
  /** Bounds how many bodies are received at a time, and for how long. */
  readonly unread: UnreadBodies
}

/**
 * The JSON value of a body, or why there is none. Reads at most one chunk past the limit; never waits for a stream
 * that has ended. `declared`: a length within the limit, at which the host ends the body itself.
 */
export async function readBody(body: CallbackBody, limits: BodyLimits, declared?: number): Promise<Parsed | Refusal> {
  if ('alreadyRead' in body) return { kind: 'body-already-read' }
  if ('parsed' in body) return parse(readParsed(body.parsed), limits)
  return parse(await readUnread(body, limits, declared), limits)
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
  // `instanceof` does not recognize those of another realm.
  if (isAnyArrayBuffer(parsed)) return Buffer.from(parsed)
  return isUint8Array(parsed) ? parsed : { value: parsed }
}

function readUnread(
  body: Extract<CallbackBody, { stream: unknown }>,
  limits: BodyLimits,
  declared: number | undefined,
): Uint8Array | Refusal | Promise<Uint8Array | Refusal> {
  const receive = (start: Start) => limits.unread.receive(limits.maxBytes, start)
  if (declared !== undefined && body.whole !== undefined) return receive(readWhole(body.whole, declared))
  // Accessed only now: some hosts create the stream on access, which is expensive.
  const { stream, drop } = body
  if (stream === null) return new Uint8Array()
  if ('getReader' in stream) return stream.locked ? { kind: 'body-already-read' } : receive(readWeb(stream))
  if (stream.readableDidRead) return { kind: 'body-already-read' }
  // An empty body can end without having been read.
  if (stream.readableEnded) return new Uint8Array()
  return stream.destroyed ? { kind: 'body-aborted' } : receive(readNode(stream, drop))
}

/** A body that is being received. */
interface Receiving {
  /** Takes the next part, up to the limit. */
  readonly add: (part: Uint8Array) => void
  /** Counts bytes that are kept until the end of the body. */
  readonly keep: (bytes: number) => void
  /** Ends it: as the parts that came or as this whole, or refused for this reason. Only the first call counts. */
  readonly end: (how?: Uint8Array | RefusalReason) => void
}

/** Starts reading. The returned function stops it; it is called once, at the end. */
type Start = (receiving: Receiving) => (isRefused: boolean) => void

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const [only] = parts
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts, size)
}

function readWhole(whole: () => Promise<ArrayBuffer>, declared: number): Start {
  return ({ keep, end }) => {
    // What has arrived of it is not visible, so the declared length counts.
    keep(declared)
    whole().then(
      (bytes) => end(Buffer.from(bytes)),
      // The Fetch standard has a TypeError for a body that something else has read.
      (error) => end(Object(error).name === 'TypeError' ? 'body-already-read' : 'body-aborted'),
    )
    return () => {}
  }
}

function readNode(stream: Readable, drop: (() => void) | undefined): Start {
  return ({ add, end }) => {
    const onData = (chunk: unknown): void => {
      const part = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      // A stream in object mode may yield anything.
      if (isUint8Array(part)) add(part)
      else end('malformed')
    }
    const onEnd = (): void => end()
    const onAbort = (): void => end('body-aborted')
    // Something before may have paused it.
    stream.on('error', onAbort).on('close', onAbort).on('end', onEnd).on('data', onData).resume()
    return (isRefused) => {
      // The error listener stays, so that a late reset does not crash the process.
      stream.off('data', onData).off('end', onEnd).off('close', onAbort).pause()
      if (isRefused) drop?.()
    }
  }
}

function readWeb(stream: ReadableStream<Uint8Array>): Start {
  return ({ add, end }) => {
    const reader = stream.getReader()
    const read = async (): Promise<void> => {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        // A stream that was made by hand may yield anything.
        if (!isUint8Array(next.value)) return end('malformed')
        add(next.value)
      }
      end()
    }
    read().catch(() => end('body-aborted'))
    // A source that fails to cancel has ended too.
    return (isRefused) => void (isRefused && reader.cancel().catch(() => {}))
  }
}

/** How many bodies are received at a time, and for how long. */
export interface UnreadLimits {
  readonly max: number
  /** Of all of them together, as far as they have arrived. */
  readonly maxBytes: number
  readonly timeoutMs: number
}

/**
 * Bodies that are being received: each for `timeoutMs`, and all of them within `max` and `maxBytes`. Beyond these the
 * oldest gives way, so that senders who never finish cannot displace those who do.
 */
export class UnreadBodies {
  readonly #limits: UnreadLimits
  readonly #receiving = new InFlight<() => void>()
  #bytes = 0

  constructor(limits: UnreadLimits) {
    this.#limits = limits
  }

  /** Receives one of at most `most` bytes; `body-too-slow` when the time is up or the place is needed. */
  receive(most: number, start: Start): Promise<Uint8Array | Refusal> {
    return new Promise((resolve) => {
      const parts: Uint8Array[] = []
      let size = 0
      let kept = 0
      let stop: ReturnType<Start> = () => {}
      const end = (how?: Uint8Array | RefusalReason): void => {
        if (!this.#receiving.remove(place)) return
        this.#bytes -= kept
        clearTimeout(timer)
        stop(typeof how === 'string')
        resolve(typeof how === 'string' ? { kind: how } : (how ?? joined(parts, size)))
      }
      const keep = (bytes: number): void => {
        if (!this.#receiving.has(place)) return
        kept += bytes
        this.#bytes += bytes
        this.#makeRoom()
      }
      const add = (part: Uint8Array): void => {
        size += part.byteLength
        if (size > most) end('body-too-large')
        else {
          parts.push(part)
          keep(part.byteLength)
        }
      }
      const giveUp = (): void => end('body-too-slow')
      const timer = setTimeout(giveUp, this.#limits.timeoutMs).unref()
      const place = this.#receiving.add(giveUp)
      this.#makeRoom()
      stop = start({ add, keep, end })
    })
  }

  #makeRoom(): void {
    const { max, maxBytes } = this.#limits
    for (const giveUp of this.#receiving) {
      if (this.#receiving.size <= max && this.#bytes <= maxBytes) return
      giveUp()
    }
  }
}
