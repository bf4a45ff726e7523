import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { setImmediate as turn } from 'node:timers/promises'

/**
 * Does some work, and returns the timers and immediates started by it that keep the process alive after it: those that
 * are left when what ends within some turns of the event loop has ended.
 */
export async function heldAfter(work: () => Promise<void>): Promise<readonly string[]> {
  const atWork = new AsyncLocalStorage<true>()
  const started = new Map<number, { readonly type: string; readonly timer: { readonly hasRef?: () => boolean } }>()
  const hook = createHook({
    init(id, type, _trigger, timer) {
      if (atWork.getStore() === true && (type === 'Timeout' || type === 'Immediate')) started.set(id, { type, timer })
    },
    destroy: (id) => void started.delete(id),
  }).enable()
  await atWork.run(true, work)
  const held = () => [...started.values()].filter(({ timer }) => timer.hasRef?.()).map(({ type }) => type)
  for (let turns = 0; turns < 100 && held().length > 0; turns++) await turn()
  hook.disable()
  return held()
}
