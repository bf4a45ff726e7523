import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import type { Callback } from '../../../src/index.js'
import { readAnswer } from './answers.js'
import { FuzzBench, origin } from './bench.js'
import { maxBodyBytes, type SentBody, sentBody } from './bodies.js'
import { liesIn, parsed, readSent, type Truth } from './body-oracle.js'
import { type Property, property } from './property.js'
import { register } from './registered.js'
import { json } from './upstream.js'

const truths: readonly Truth[] = [
  { status: 'approved', modifiedDetails: null, decisionNote: null },
  { status: 'approved', modifiedDetails: { orderId: '8842', amount: 90 }, decisionNote: 'Less.' },
  { status: 'rejected', modifiedDetails: null, decisionNote: 'Less.' },
]
const details = { orderId: '8842', amount: 120 }

/** A body of a callback names an approval or has no effect, and never decides the effect. */
export const callbackBodies: Property = property({
  name: 'bodies',
  says: 'a callback body names an approval or is refused, and none of its data reaches the handler',
  sees: ['200 handled', '400 malformed', '404 unknown-approval', '413 body-too-large', 'lies found', 'sent again'],
  arbitrary: fc.record({ sent: sentBody, truth: fc.constantFrom(...truths), known: fc.boolean() }),
  open() {
    const bench = new FuzzBench({ callbacks: { maxBodyBytes } })
    return {
      async judge({ sent, truth, known }, note) {
        const { upstream, runs, events, inner } = bench.begin()
        if (known) await register(inner, 'req_1', { details: JSON.stringify(details) })
        upstream.answer = () => json({ id: 'req_1', decidedAt: null, ...truth, status: truth.status.toUpperCase() })

        const meaning = readAnswer(await bench.handle({ body: bodyOf(sent) }))
        const reading = readSent(sent)
        note(meaning)
        if (reading.kind !== 'claim') {
          assert.equal(meaning, reading.kind === 'too-large' ? '413 body-too-large' : '400 malformed')
          return bench.expectRefused()
        }
        if (reading.id !== 'req_1' || !known) {
          assert.equal(meaning, '404 unknown-approval')
          return bench.expectRefused({ storeCalls: 1 })
        }
        assert.equal(meaning, '200 handled')
        assert.deepEqual(upstream.asked, [`GET ${origin}/api/approvals/req_1`])
        assert.equal(runs.length, 1)
        const decision = runs[0]?.decision
        assert.equal(decision?.status, truth.status)
        assert.deepEqual(decision.modifiedDetails, truth.modifiedDetails)
        assert.equal(decision.note, truth.decisionNote)
        assert.deepEqual(decision.originalDetails, details)
        if (decision.status === 'approved') assert.deepEqual(decision.details, truth.modifiedDetails ?? details)
        const lies = events.flatMap((event) => (event.type === 'mismatch' ? event.fields : []))
        assert.deepEqual(lies, liesIn(reading.fields, truth))
        if (lies.length > 0) note('lies found')

        if (sent.cut % 4 > 0) return
        note('sent again')
        bench.forget()
        assert.equal(readAnswer(await bench.handle({ body: bodyOf(sent) })), '200 handled')
        assert.deepEqual([upstream.asked, runs], [[], []])
      },
      close: () => bench.close(),
    }
  },
})

function bodyOf({ bytes, form, cut }: SentBody): Callback['body'] {
  const at = cut % (bytes.length + 1)
  const chunks = [bytes.subarray(0, at), bytes.subarray(at)].filter(({ length }) => length > 0)
  const text = Buffer.from(bytes).toString()
  switch (form) {
    case 'web stream':
      return { stream: webStream(chunks) }
    case 'node stream':
      return { stream: Readable.from(chunks, { objectMode: false }) }
    case 'whole':
      return { stream: webStream(chunks), whole: async () => new Uint8Array(bytes).buffer }
    case 'buffer':
      return { parsed: bytes }
    case 'array buffer':
      return { parsed: new Uint8Array(bytes).buffer }
    case 'text':
      return { parsed: text }
    case 'value':
      return { parsed: parsed(text) }
  }
}

function webStream(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
}
