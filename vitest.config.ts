import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'

// One project for each folder of test/ that has tests; `fast` in package.json names those that `npm test` runs.
const lanes = readdirSync('test', { withFileTypes: true }).filter(
  (each) => each.isDirectory() && each.name !== 'support',
)

/** Lanes whose tests move the time themselves, and therefore must know when something is due. */
const timed = ['unit', 'receiver', 'hosts', 'threats']
const watchOutput = 'test/support/watch-output.ts'
const evenRandom = 'test/support/even-random.ts'

/** The tests of the receiver again, over each store that a real database keeps. */
const onStores = ['sqlite', 'postgres', 'redis'].map((store) => ({
  extends: true as const,
  plugins: [
    {
      name: 'chosen-store',
      enforce: 'pre' as const,
      resolveId: (source: string, importer?: string) =>
        source.endsWith('/memory-store.js') && importer?.endsWith('/chosen-store.ts') === false
          ? resolve('test/support/chosen-store.ts')
          : undefined,
    },
  ],
  test: {
    name: `receiver-on-${store}`,
    include: ['test/receiver/**/*.test.ts'],
    globalSetup: ['test/support/parity-servers.ts'],
    setupFiles: [watchOutput, evenRandom, 'test/support/parity-setup.ts'],
    // Opening what a store needs costs more than the tests, which leave nothing behind.
    isolate: false,
    env: { CHEQPOINT_STORE: store },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
}))

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      ...lanes.map(({ name }) => ({
        extends: true,
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          setupFiles: timed.includes(name) ? [watchOutput, evenRandom] : [watchOutput],
          // Only a test that hangs fails by its time: a slow machine is given minutes.
          testTimeout: name === 'long' ? 600_000 : 120_000,
          hookTimeout: 120_000,
        },
      })),
      ...onStores,
    ],
  },
})
