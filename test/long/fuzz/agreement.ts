import assert from 'node:assert/strict'
import { comparable, type Expected } from '../../support/adapters-bench.js'
import type { Mounted } from '../../support/hosts.js'
import { kept } from '../../support/kept.js'
import type { Received, Sent } from '../../support/raw-http.js'
import { FuzzBench } from './bench.js'
import { maxBodyBytes } from './bodies.js'
import { register } from './registered.js'
import { ref, secret } from './requests.js'
import type { FakeTime } from './time.js'
import { json } from './upstream.js'

/** A host with its own receiver. */
export interface Side {
  readonly name: string
  readonly bench: FuzzBench
  readonly send: (sent: Sent) => Promise<Received>
  readonly close: () => Promise<void>
}

export interface OpenedHost {
  readonly send: (sent: Sent) => Promise<Received>
  readonly close?: () => Promise<void>
}

/** Puts a receiver behind a host, with the settings of the property. */
export async function openSide(
  name: string,
  open: (receiver: Mounted) => OpenedHost | Promise<OpenedHost>,
  time?: FakeTime,
): Promise<Side> {
  const callbackUrl = 'https://app.test/webhooks/cheqpoint'
  const bench = new FuzzBench({ callbacks: { maxBodyBytes }, callbackUrl, callbackSecret: secret }, time)
  const { send, close } = await open(bench.receiver)
  return {
    ...{ name, bench, send },
    async close() {
      await close?.()
      await bench.close()
    },
  }
}

interface Effects {
  readonly answer: Expected
  readonly asked: readonly string[]
  readonly runs: readonly string[]
  readonly events: readonly string[]
  readonly state: string
}

/** Sends one request to every host, from the same state. Throws if a response or an effect differs from the first. */
export async function expectAgreement(sides: readonly Side[], sent: Sent): Promise<Effects> {
  const found = await Promise.all(sides.map((side) => effectsOn(side, sent)))
  const [first, ...others] = found
  assert.ok(first !== undefined)
  for (const [at, other] of others.entries()) {
    assert.deepEqual(other, first, `${sides[at + 1]?.name} is not as ${sides[0]?.name}`)
  }
  return first
}

async function effectsOn({ bench, send }: Side, sent: Sent): Promise<Effects> {
  const { inner, upstream, runs, events } = bench.begin()
  await register(inner, 'req_1', { ref })
  upstream.answer = () => json({ id: 'req_1', status: 'APPROVED', modifiedDetails: null, decisionNote: 'Less.' })
  const answer = comparable(await send(sent))
  const state = (await kept(inner, 'req_1'))?.state ?? 'none'
  return {
    answer,
    asked: [...upstream.asked],
    runs: runs.map(({ decision }) => JSON.stringify(decision)),
    events: events.map(({ type, ...rest }) => `${type} ${'reason' in rest ? rest.reason : ''}`),
    state,
  }
}
