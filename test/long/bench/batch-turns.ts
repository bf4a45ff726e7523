import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { nextMessage } from './apps.js'
import type { Batch } from './batches.js'
import type { Taken } from './figures.js'

/** A script of this folder that calls `serveBatches`, with its arguments. */
export interface BatchContender {
  readonly name: string
  readonly file: string
  readonly args: readonly string[]
}

export interface BatchSize {
  readonly warmUp: number
  readonly turns: number
  readonly count: number
  /** Of node. */
  readonly flags?: readonly string[]
}

/** Runs batches of each in turns, all of them alive at the same time, after each was warmed up. */
export async function batchesInTurns(
  contenders: readonly BatchContender[],
  { warmUp, turns, count, flags = [] }: BatchSize,
): Promise<Taken<Batch>> {
  const started = contenders.map((contender) => {
    const path = fileURLToPath(new URL(contender.file, import.meta.url))
    const child = fork(path, [...contender.args], { execArgv: [...flags] })
    return { contender, child, first: nextMessage(child), batches: [] as Batch[] }
  })
  try {
    await Promise.all(started.map(({ first }) => first))
    const run = async ({ child }: (typeof started)[number], size: number): Promise<Batch> => {
      child.send(size)
      return nextMessage<Batch>(child)
    }
    for (const each of started) for (let done = 0; done < warmUp; done += count) await run(each, count)
    for (let turn = 0; turn < turns; turn++) {
      // Another one begins each time.
      for (const each of turn % 2 === 0 ? started : started.toReversed()) each.batches.push(await run(each, count))
    }
    return new Map(started.map(({ contender: { name }, batches }) => [name, batches]))
  } finally {
    for (const { child } of started) child.kill()
  }
}
