import { compare, type Plan, withUpstream } from './compare.js'
import type { Bars, BenchOptions, Figure, Suite } from './figures.js'

/** Approvals that are known, where callbacks name others or the same one. */
const known = 10

/** Callbacks that end before the API is called, by what they are. */
export const early: Readonly<Record<string, Omit<Plan, keyof BenchOptions | 'upstream'>>> = {
  'refused by agent': { known, refused: true, load: { agent: 'Stranger/1.0' } },
  'unknown id': { known, refused: true, load: { body: '{"approvalId":"u_%d","status":"approved"}' } },
  malformed: { known, refused: true, load: { body: '{"approvalId":"u_%d",' } },
  duplicates: { known, load: { body: '{"approvalId":"c_1","status":"approved"}' } },
}

export const verified: Suite = {
  name: 'verified',
  run: (options) =>
    withUpstream(async (upstream) => {
      const bars: Readonly<Record<string, Bars>> = {
        hono: { 'hono/limit': { atLeast: 0.85 } },
        fetch: { 'fetch/limit': { atLeast: 0.85 } },
        express: { 'express/limit': { atLeast: 1.05 } },
      }
      const figures: Figure[] = []
      for (const [host, each] of Object.entries(bars))
        figures.push(...(await compare(`verified, ${host}`, `${host}/ours`, each, { ...options, upstream }, options)))
      return figures
    }),
}

/** The recipe as people write it. It takes so much longer that a part of the callbacks is enough. */
export const byHand: Suite = {
  name: 'by-hand',
  run: (options) =>
    withUpstream(async (upstream) => {
      const plan = { ...options, upstream, amount: options.amount >> 1 }
      return [
        ...(await compare('verified, hono', 'hono/ours', { 'hono/by-hand': { atLeast: 3 } }, plan, options)),
        ...(await compare('verified, express', 'express/ours', { 'express/by-hand': { atLeast: 2 } }, plan, options)),
      ]
    }),
}

export const slowUpstream: Suite = {
  name: 'slow-upstream',
  async run(options) {
    const figures: Figure[] = []
    for (const [latencyMs, most] of [
      [20, 128],
      [100, 512],
    ] as const) {
      const connections = Math.min(most, options.amount)
      const what = `verified, hono, API ${latencyMs} ms, ${connections} at a time`
      const use = (upstream: string): Promise<readonly Figure[]> =>
        compare(
          what,
          'hono/ours',
          { 'hono/limit': undefined },
          { ...options, upstream, load: { connections } },
          options,
        )
      figures.push(...(await withUpstream(use, { latencyMs })))
    }
    return figures
  },
}

/** Edited details of 1 MB, which the default limit of a response lets pass. A hundredth of the callbacks is enough. */
export const largeEdit: Suite = {
  name: 'large-edit',
  run: (options) =>
    withUpstream(
      (upstream) => {
        const [warmUp, amount] = [Math.ceil(options.warmUp / 100), Math.ceil(options.amount / 50)]
        const plan = { ...options, upstream, warmUp, amount, load: { connections: 4 } }
        return compare('verified, hono, edit of 1 MB', 'hono/ours', { 'hono/limit': undefined }, plan, options)
      },
      { editBytes: 1_000_000 },
    ),
}

export const refused: Suite = {
  name: 'refused',
  run: (options) =>
    withUpstream(async (upstream) => {
      const figures: Figure[] = []
      for (const host of ['hono', 'express']) {
        const limit = `${host}/limit`
        const least = host === 'express' ? 1.1 : 0.9
        const rivals: Bars = { 'express/octokit': { atLeast: 1 }, 'express/standard-webhooks': undefined }
        const bars: Readonly<Record<string, Bars>> = {
          'refused by agent': { [`${host}/bare-403`]: { atLeast: 1 }, ...(host === 'express' ? rivals : {}) },
          'unknown id': { [limit]: { atLeast: least } },
          malformed: { [limit]: undefined },
          duplicates: { [limit]: { atLeast: least } },
        }
        for (const [what, plan] of Object.entries(early)) {
          // A framework answers it by itself.
          if (what === 'malformed' && host === 'express') continue
          const all = { ...options, ...plan, upstream }
          figures.push(...(await compare(`${what}, ${host}`, `${host}/ours`, bars[what] ?? {}, all, options)))
        }
      }
      return figures
    }),
}
