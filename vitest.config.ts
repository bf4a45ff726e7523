import { readdirSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

// One project for each folder of test/ that has tests; `fast` in package.json names those that `npm test` runs.
const lanes = readdirSync('test', { withFileTypes: true }).filter(
  (each) => each.isDirectory() && each.name !== 'support',
)

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: lanes.map(({ name }) => ({
      extends: true,
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        setupFiles: ['test/support/watch-output.ts'],
        // Only a test that hangs fails by its time: a slow machine is given minutes.
        testTimeout: 120_000,
        hookTimeout: 120_000,
      },
    })),
  },
})
