import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import { expressCallback } from '../../../adapters/express.js'
import { honoCallback } from '../../../adapters/hono.js'
import { fromIncoming } from '../../../src/index.js'
import { hosts, path, requestOf } from '../../support/hosts.js'
import { type Received, type Sent, wireOf } from '../../support/raw-http.js'
import { expectAgreement, type OpenedHost, openSide, type Side } from './agreement.js'
import { readAnswer } from './answers.js'
import { exchange } from './memory-connection.js'
import { type Property, property } from './property.js'
import { anyRequest } from './requests.js'
import { FakeTime } from './time.js'

/*
 * The same request through every adapter. Most cases use connections without sockets: the parser and server of Node.js
 * read and write real bytes. Fewer cases use sockets, with every way of mounting.
 */

/** One case costs as much as several of other properties, since it uses five hosts. */
export const adapters: Property = property({
  name: 'adapters',
  says: 'the same request has the same response and effects with every adapter',
  sees: [
    '200 handled',
    '400 malformed',
    '401 token-refused',
    '403 agent-refused',
    '405 method-not-allowed',
    '415 media-type-refused',
  ],
  suite: 1_000,
  full: 100_000,
  arbitrary: anyRequest,
  async open() {
    const time = new FakeTime()
    const sides = [
      await openSide('receiver.fetch', (receiver) => ofFetch((request) => receiver.fetch(request)), time),
      await openSide(
        'Hono, app.request',
        (receiver) => {
          const app = honoApp(receiver)
          return ofFetch(async (request) => app.request(request))
        },
        time,
      ),
      await openSide(
        'Hono on Node.js',
        (receiver) => ofServer(createAdaptorServer({ fetch: honoApp(receiver).fetch }) as Server),
        time,
      ),
      await openSide(
        'Express',
        (receiver) => ofServer(createServer(express().all(path, expressCallback(receiver)))),
        time,
      ),
      await openSide(
        'node:http',
        (receiver) =>
          ofServer(
            createServer(async (request, response) => {
              const { status, headers, body } = await receiver.handle(fromIncoming(request))
              response.statusCode = status
              response.setHeaders(new Map(Object.entries(headers))).end(body)
            }),
          ),
        time,
      ),
    ]
    return judgeOf(sides)
  },
})

export const sockets: Property = property({
  name: 'sockets',
  says: 'the same request has the same response and effects over sockets, for every way of mounting a receiver',
  sees: ['200 handled', '400 malformed', '401 token-refused'],
  suite: 40,
  full: 5_000,
  // The client does not support interim responses, and not all hosts support other methods.
  arbitrary: anyRequest.filter(
    ({ method, headers }) => method === 'POST' && headers.every(([name]) => name.toLowerCase() !== 'expect'),
  ),
  async open() {
    const time = new FakeTime()
    const sides: Side[] = []
    for (const { name, open } of hosts) sides.push(await openSide(name, open, time))
    return judgeOf(sides)
  },
})

function judgeOf(sides: readonly Side[]) {
  return {
    async judge(sent: Sent, note: (what: string) => void) {
      const { answer, runs } = await expectAgreement(sides, sent)
      note(sent.method === 'HEAD' ? 'HEAD' : readAnswer(answer))
      assert.equal(runs.length, answer.status === 200 ? 1 : 0)
    },
    async close() {
      for (const side of sides) await side.close()
    },
  }
}

function honoApp(receiver: Parameters<typeof honoCallback>[0]): Hono {
  return new Hono().all(path, honoCallback(receiver))
}

function ofServer(server: Server): OpenedHost {
  return { send: (sent) => exchange(server, wireOf(sent), sent.method === 'HEAD') }
}

function ofFetch(fetch: (request: Request) => Promise<Response>): OpenedHost {
  return {
    async send(sent): Promise<Received> {
      const response = await fetch(requestOf(sent))
      const body = sent.method === 'HEAD' ? '' : await response.text()
      return { status: response.status, headers: Object.fromEntries(response.headers), body }
    },
  }
}
