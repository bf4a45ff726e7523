/** What one batch took. */
export interface Batch {
  /** Processor time, microseconds for each of the batch. */
  readonly cpuUs: number
  /** Bytes allocated for each; only without a collection in between: see `handle.ts`. */
  readonly bytes: number
  readonly perSecond: number
}

/** What is measured in batches. */
export interface Batched {
  /** Makes everything that a batch from this number on needs. */
  readonly prepare: (from: number, count: number) => Promise<void>
  /** Does it once. */
  readonly take: (at: number) => Promise<unknown>
}

/** At a time. */
const concurrency = 32
/** What the engine wants to have seen before it has compiled what matters. */
const warmUp = 20_000
/** Batches whose figures are taken by a process that nobody asks. */
const batches = 4

/**
 * Serves batches to the parent, each of as many as it asks for. Without a parent it warms up, runs four of `count` and
 * prints their mean.
 */
export async function serveBatches({ prepare, take }: Batched, count: number): Promise<void> {
  let from = 0
  const run = async (size: number): Promise<Batch> => {
    let next = from
    from += size
    const end = from
    await prepare(next, size)
    globalThis.gc?.()
    const heap = process.memoryUsage().heapUsed
    const start = performance.now()
    const cpu = process.cpuUsage()
    const worker = async (): Promise<void> => {
      while (next < end) await take(next++)
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
    const { user, system } = process.cpuUsage(cpu)
    const seconds = (performance.now() - start) / 1_000
    const bytes = process.memoryUsage().heapUsed - heap
    return { cpuUs: (user + system) / size, bytes: bytes / size, perSecond: size / seconds }
  }

  if (process.send !== undefined) {
    process.on('message', (size: number) => void run(size).then((batch) => process.send?.(batch), fail))
    process.on('disconnect', () => process.exit())
    process.send('ready')
    return
  }
  for (let done = 0; done < warmUp; done += count) await run(count)
  const found: Batch[] = []
  while (found.length < batches) found.push(await run(count))
  const mean = (pick: (batch: Batch) => number): number => found.reduce((sum, each) => sum + pick(each), 0) / batches
  console.log(JSON.stringify({ cpuUs: mean(({ cpuUs }) => cpuUs), bytes: mean(({ bytes }) => bytes) }))
}

function fail(error: unknown): void {
  console.error(error)
  process.exit(1)
}
