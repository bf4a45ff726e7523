import { defineConfig } from 'vitest/config'

// A slow machine is no failure: what hangs is told apart from what is slow by half a minute.
export default defineConfig({
  test: { maxWorkers: 2, setupFiles: ['test/support/watch-output.ts'], testTimeout: 30_000, hookTimeout: 60_000 },
})
