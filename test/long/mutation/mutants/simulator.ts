import type { Mutant } from '../mutant.js'

/** The simulator and the command line. */
export const simulatorMutants: readonly Mutant[] = [
  {
    guard: 'the page of the simulator is for peers on this machine',
    file: 'src/simulator/page/guard.ts',
    find: "socket !== undefined && !loopbackPeer.test(socket.remoteAddress ?? '')",
    replace: 'socket === null',
    tests: ['unit/simulator/page-server.test.ts'],
  },
  {
    guard: 'the page of the simulator refuses forwarding headers',
    file: 'src/simulator/page/guard.ts',
    find: 'if (forwarding.some((name) => headers.has(name)))',
    replace: 'if (forwarding.length === 0)',
    tests: ['unit/simulator/page-server.test.ts'],
  },
  {
    guard: 'the API of the simulator refuses web sites',
    file: 'src/simulator/calls.ts',
    find: "return origin !== null && !loopbackHost.test(/^https?:\\/\\/(.*)$/.exec(origin)?.[1] ?? '')",
    replace: 'return origin === undefined',
    tests: ['unit/simulator/page-server.test.ts'],
  },
  {
    guard: 'a host that begins like loopback is refused',
    file: 'src/simulator/calls.ts',
    find: '(?::\\d+)?$/i',
    replace: '(?::\\d+)?/i',
    tests: ['unit/simulator/page-server.test.ts'],
  },
  {
    guard: 'the simulator reads no more of a response than it keeps',
    file: 'src/simulator/deliveries.ts',
    find: '    if (bytes >= maxAnswerBytes) break\n',
    replace: '',
    tests: ['unit/simulator/simulator.test.ts'],
  },
  {
    guard: 'a decision on an unknown id lists pending requests',
    file: 'src/simulator/page/page.ts',
    find: 'if (!simulator.list().some((each) => each.id === id)) {',
    replace: 'if (id === null) {',
    tests: ['unit/simulator/page-server.test.ts'],
  },
  {
    guard: 'send exits with 0 if a forged callback is refused',
    file: 'src/cli/send.ts',
    find: 'const mayBeRefused = forged || ',
    replace: 'const mayBeRefused = ',
    tests: ['cli/send.test.ts'],
  },
  {
    guard: 'the longest pause is capped after its jitter',
    file: 'src/util/backoff.ts',
    find: 'Math.min(Math.round(ms * (0.8 + 0.4 * random())), longestTimer)',
    replace: 'Math.round(ms * (0.8 + 0.4 * random()))',
    tests: ['unit/cheqpoint/timers.test.ts'],
  },
  {
    guard: 'a cluster client that pipelines over slots is unsuitable',
    file: 'src/stores/redis/errors.ts',
    find: "  if (message.includes('same slots allocation group')) return 'CROSSSLOT'\n",
    replace: '',
    tests: ['unit/stores/redis-replies.test.ts'],
  },
  {
    guard: 'fakeDecision requires details or a status',
    file: 'src/testing/fake-decision.ts',
    find: "typeof given !== 'object' || given === null || !('details' in given || 'status' in given)",
    replace: 'false',
    tests: ['unit/testing/fake-decision.test.ts'],
  },
  {
    guard: 'createSimulator without options names the missing key',
    file: 'src/simulator/index.ts',
    find: 'options ?? {}',
    replace: 'options',
    tests: ['unit/simulator/simulator.test.ts'],
  },
]
