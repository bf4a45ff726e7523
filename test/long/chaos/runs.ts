import type { Run } from './run.js'
import { postgresRuns } from './runs-postgres.js'
import { redisRuns } from './runs-redis.js'
import { upstreamRuns } from './runs-upstream.js'
import { workerRuns } from './runs-workers.js'

/** Every run, in the order of the table. */
export const runs: readonly Run[] = [...workerRuns, ...redisRuns, ...postgresRuns, ...upstreamRuns].sort((a, b) =>
  a.name.localeCompare(b.name, 'en', { numeric: true }),
)
