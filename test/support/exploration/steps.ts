import { backOffMs, type Phase, reset, shortMs, type Worker, type World } from './world.js'

/** One thing that can happen, where it can happen at all. */
export interface Step {
  readonly name: string
  isPossible(world: World): boolean
  take(world: World): void | Promise<void>
}

/** Everything that can happen to one request and two workers. */
export const steps: readonly Step[] = [
  step(
    'add',
    ({ submission }) => submission === 'none',
    (world) => world.add(),
  ),
  step(
    'reserve',
    ({ submission }) => submission === 'none',
    (world) => world.reserve(),
  ),
  step(
    'bind',
    ({ submission }) => submission === 'reserved',
    (world) => world.bind(),
  ),
  step(
    'submitter dies',
    ({ submission }) => submission === 'reserved',
    (world) => {
      world.submission = 'abandoned'
    },
  ),
  step(
    'decide',
    (world) => submitted(world) && !world.decided,
    (world) => {
      world.decided = true
    },
  ),
  step('wait', submitted, (world) => {
    world.now++
  }),
  step('callback knocks', submitted, (world) => world.knock()),
  step('person cancels', submitted, (world) => world.cancel()),
  step('person retries', submitted, (world) => world.retry()),
  ...stepsOf(0),
  ...stepsOf(1),
]

function submitted({ submission }: World): boolean {
  return submission !== 'none'
}

function stepsOf(index: 0 | 1): readonly Step[] {
  const name = index === 0 ? 'A' : 'B'
  const by = (
    what: string,
    phases: readonly Phase[],
    take: (world: World, worker: Worker) => void | Promise<void>,
    when: (world: World, worker: Worker) => boolean = submitted,
  ) => {
    const isPossible = (world: World, worker: Worker) =>
      phases.includes(worker.phase) && (worker.resends ?? what) === what && when(world, worker)
    return {
      name: `${name} ${what}`,
      isPossible: (world: World) => isPossible(world, world.workers[index]),
      take: (world: World) => take(world, world.workers[index]),
    }
  }
  /** A write after which the worker is free; or its answer is lost, and the worker does nothing but send it again. */
  const write = (
    what: string,
    phases: readonly Phase[],
    take: (world: World, worker: Worker) => Promise<void>,
    when?: (world: World, worker: Worker) => boolean,
  ) => {
    const answered = async (world: World, worker: Worker) => {
      await take(world, worker)
      reset(worker)
    }
    const unanswered = async (world: World, worker: Worker) => {
      await take(world, worker)
      worker.resends = what
    }
    return [by(what, phases, answered, when), by(`${what}, answer lost`, phases, unanswered, when)]
  }
  const atMostOnce = (world: World) => world.policy.guarantee === 'at-most-once'
  return [
    by('gets a callback', ['idle'], (world, worker) => world.claim(worker, true)),
    by('sweeps', ['idle'], (world, worker) => world.takeDue(worker)),
    by('adopts', ['took-reservation'], (world, worker) => world.adopt(worker)),
    by('claims', ['took-key'], (world, worker) => world.claim(worker, false)),
    by(
      'is joined by a callback',
      ['claimed', 'undecided'],
      (_, worker) => {
        worker.joined = true
      },
      (_, worker) => !worker.joined,
    ),
    by(
      'confirms',
      ['claimed'],
      (world, worker) => world.confirm(worker),
      (_, worker) => !worker.mustPark && !worker.sealed,
    ),
    ...write('releases', ['undecided'], (world, worker) =>
      world.release(worker, { dueInMs: backOffMs, notBeforeMs: shortMs }),
    ),
    by('seals', ['confirmed'], (world, worker) => world.seal(worker)),
    by(
      'seals again',
      ['claimed'],
      (world, worker) => world.seal(worker),
      (_, worker) => !worker.mustPark && worker.sealed,
    ),
    by('starts', ['sealed'], (world, worker) => world.start(worker)),
    ...write('gives the start back', ['sealed'], (world, worker) =>
      world.release(worker, { dueInMs: 0, notBeforeMs: 0, giveAttemptBack: true }),
    ),
    by('extends', ['running'], (world, worker) => world.extend(worker)),
    by('finishes', ['running'], (world, worker) => world.finish(worker)),
    by('throws', ['running'], (_, worker) => {
      worker.phase = 'threw'
    }),
    ...write('completes', ['finished'], (world, worker) => world.complete(worker)),
    by(
      'releases after a throw',
      ['threw'],
      async (world, worker) => {
        await world.release(worker, { dueInMs: shortMs, notBeforeMs: shortMs })
        reset(worker)
      },
      (world) => !atMostOnce(world),
    ),
    by(
      'parks after a throw',
      ['threw'],
      async (world, worker) => {
        await world.park(worker)
        reset(worker)
      },
      atMostOnce,
    ),
    ...write(
      'parks',
      ['claimed'],
      (world, worker) => world.park(worker),
      (_, worker) => worker.mustPark,
    ),
    {
      name: `${name} dies`,
      isPossible: ({ workers }) => workers[index].phase !== 'idle',
      take: ({ workers }) => reset(workers[index]),
    },
  ]
}

function step(name: string, isPossible: (world: World) => boolean, take: (world: World) => void | Promise<void>): Step {
  return { name, isPossible, take }
}
