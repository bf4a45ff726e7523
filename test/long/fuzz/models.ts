import fc from 'fast-check'
import { memoryStore, type Store } from '../../../src/index.js'
import { redisStore } from '../../../src/stores/redis/redis-store.js'
import { kept } from '../../support/kept.js'
import { overlayStore, sharedStore } from '../../support/overlay-store.js'
import type { ModelCommand } from './model/command.js'
import { commandLists } from './model/commands.js'
import { expectGoodEnd } from './model/finale.js'
import { idPool, newModel, of } from './model/model.js'
import { openClockedRedis } from './model/redis-clock.js'
import { original, retentionMs, World } from './model/world.js'
import { type Property, property } from './property.js'
import { FakeTime } from './time.js'

/*
 * Two processes, one store, and all commands and faults in random order, checked against a model of the promises. A
 * case is a sequence of up to fifty commands.
 */

interface Story {
  readonly commands: Iterable<ModelCommand>
  readonly guarantee: 'at-least-once' | 'at-most-once'
}

const story: fc.Arbitrary<Story> = fc.record({
  commands: commandLists,
  guarantee: fc.constantFrom('at-least-once' as const, 'at-least-once' as const, 'at-most-once' as const),
})

/** Events that must occur in some case. */
const sees = ['runs that returned', 'runs that threw', 'runs that never ended']

/** The model on a memory store, or on a wrapper around one. */
export function modelOver(wrap: (store: Store) => Store): Property {
  return property({
    name: 'model',
    says: 'with a memory store every promise holds after every command, and every approval ends',
    suite: 300,
    full: 20_000,
    sees,
    arbitrary: story,
    open: () => ({
      async judge(each, note) {
        const time = new FakeTime()
        const inner = memoryStore({ clock: time })
        const loseTombstone = async (id: string): Promise<void> => {
          if ((await kept(inner, id))?.state === 'completed') await time.live(retentionMs)
        }
        await tell(each, { time, store: sharedStore(wrap(inner)), loseTombstone }, note)
      },
    }),
  })
}

export const memoryModel: Property = modelOver((store) => store)

export const redisModel: Property = property({
  name: 'redis-model',
  says: 'with Redis every promise holds after every command, and every approval ends',
  suite: 40,
  full: 2_000,
  needsRedis: true,
  sees: ['runs that returned'],
  arbitrary: story,
  async open() {
    const redis = await openClockedRedis()
    return {
      async judge(each, note) {
        const time = new FakeTime()
        time.busy = () => redis.pending() > 0
        await redis.raw(['FLUSHDB'])
        const bare = redisStore({ sendCommand: redis.send(time), prefix: 'm' })
        // check() runs a script that is not loaded yet.
        const store = overlayStore(bare, { check: async () => [] })
        const loseTombstone = async (id: string): Promise<void> => {
          if ((await kept(store, id))?.state === 'completed') await redis.raw(['DEL', `{m:0}:a:${id}`])
        }
        await tell(each, { time, store, loseTombstone }, note)
      },
      close: () => redis.close(),
    }
  },
})

interface Stage {
  readonly time: FakeTime
  readonly store: Store
  readonly loseTombstone: (id: string) => Promise<void>
}

async function tell({ commands, guarantee }: Story, stage: Stage, note: (what: string) => void): Promise<void> {
  const { time } = stage
  time.install()
  try {
    const world = new World({ ...stage, guarantee })
    const model = newModel()
    // One approval exists from the start, so that most cases are meaningful.
    await time.end(world.operator.track(idPool[0], { action: 'refund', details: original }))
    Object.assign(of(model, idPool[0]), { life: 1, since: time.elapsed(), open: true })
    await fc.asyncModelRun(() => ({ model, real: world }), commands)
    await expectGoodEnd(model, world)
    for (const { ended } of world.starts) note(`runs that ${ended ?? 'never ended'}`)
    note(`stories, ${guarantee}`)
  } finally {
    time.uninstall()
  }
}
