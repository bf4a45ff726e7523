import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'

// Inside the project, so that the examples import the built package by its name.
const folder = `.tmp/docstrings-${process.pid}`
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Declarations for the examples; an example's own names shadow them. */
const prelude = `
import {
  action, CheqpointError, createCallbackUrl, createClient, createReceiver, fromIncoming, fromRequest, isCheqpointError,
  memoryStore, register, toResponse, toWebResponse, verifyAndResolve, type ApprovedDecision, type Client, type Decision,
  type Run, type Store, type TypedReceiver, type VerifyOptions,
} from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'
import { fastifyCallback } from 'cheqpoint-callback/fastify'
import { honoCallback } from 'cheqpoint-callback/hono'
import { type PostgresStore, postgresStore } from 'cheqpoint-callback/postgres'
import { redisStore } from 'cheqpoint-callback/redis'
import { type SqliteStore, sqliteStore } from 'cheqpoint-callback/sqlite'
import { telemetry } from 'cheqpoint-callback/opentelemetry'
import { createSimulator } from 'cheqpoint-callback/simulator'
import { fakeCallback, fakeDecision, fakeRun, storeContract } from 'cheqpoint-callback/testing'
import type { Express } from 'express'
import type { FastifyInstance } from 'fastify'
import type { Hono } from 'hono'
import Database from 'libsql'
import type { Pool } from 'pg'
import type { Sql } from 'postgres'
import { z } from 'zod'
declare const apiKey: string
declare const secret: string
declare const details: { readonly orderId: string; readonly amount: number }
declare const client: Client
declare const options: VerifyOptions
declare const pool: Pool
declare const sql: Sql
declare const approvalId: string
declare const emptyDatabase: () => Promise<object>
declare const myStore: (database: object) => Store
declare const test: (name: string, run: () => Promise<void>) => void
declare const receiver: TypedReceiver
declare const request: Request
declare const onDecision: (decision: Decision, run: Run) => void
declare const refund: (details: object, options: { readonly idempotencyKey: string }) => Promise<void>
declare const decision: ApprovedDecision<{ readonly orderId: string }>
declare const run: Run
declare const database: Database.Database
declare const jobs: { add(decision: unknown, options: { readonly key: string }): Promise<void> }
`

interface Example {
  readonly file: string
  readonly code: string
}

function examples(): readonly Example[] {
  const files = ['src', 'adapters'].flatMap((dir) =>
    readdirSync(dir, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `${dir}/${name}`),
  )
  return files.flatMap((file) => {
    const comments = readFileSync(file, 'utf8').matchAll(/@example\n *\* ```ts\n([\s\S]*?) *\* ```/g)
    return [...comments].map(([, lines = '']) => ({ file, code: lines.replaceAll(/^ *\* ?/gm, '') }))
  })
}

describe('the examples in doc comments', () => {
  it('exist for the main functions', () => {
    const files = examples().map(({ file }) => file)
    for (const main of [
      'src/receiver/create-receiver.ts',
      'src/receiver/verify-and-resolve.ts',
      'src/cheqpoint/client.ts',
      'src/simulator/index.ts',
      'src/testing/fake-callback.ts',
      'src/testing/fake-decision.ts',
      'src/testing/store-contract.ts',
      'src/stores/sql/postgres-store.ts',
      'src/stores/sql/sqlite-store.ts',
      'adapters/fastify.ts',
      'adapters/hono.ts',
    ]) {
      expect(files).toContain(main)
    }
  })

  it('compile as strictly as the library itself', () => {
    mkdirSync(folder, { recursive: true })
    // Lines for several clients are not one program: tests of the stores run them.
    const programs = examples().filter(({ code }) => !/^import /m.test(code))
    expect(programs.length).toBeGreaterThan(12)
    for (const [at, { file, code }] of programs.entries()) {
      const apps = { hono: 'Hono', fastify: 'FastifyInstance' }
      const [, app = 'Express'] = Object.entries(apps).find(([name]) => file.includes(name)) ?? []
      const store = file.includes('sqlite') ? 'SqliteStore' : 'PostgresStore'
      const given = `declare const app: ${app}\ndeclare const store: ${store}\n`
      const module = `${prelude}${given}export async function example() {\n${code}}\n`
      writeFileSync(`${folder}/${at}-${file.replaceAll('/', '-')}`, module)
    }
    const loose = {
      noUnusedLocals: false,
      noImplicitReturns: false,
      isolatedDeclarations: false,
      noPropertyAccessFromIndexSignature: false,
    }
    const compilerOptions = { ...loose, noEmit: true, rootDir: '.' }
    writeFileSync(
      `${folder}/tsconfig.json`,
      JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['*.ts'] }),
    )
    let faults = ''
    try {
      execFileSync('npx', ['tsc', '-p', folder], { encoding: 'utf8' })
    } catch (error) {
      faults = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error)
    }
    expect(faults).toBe('')
  })
})
