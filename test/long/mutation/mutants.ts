import type { Mutant } from './mutant.js'
import { approvalMutants } from './mutants/approvals.js'
import { bodyMutants } from './mutants/body.js'
import { clientMutants } from './mutants/client.js'
import { confirmMutants } from './mutants/confirm.js'
import { intakeMutants } from './mutants/intake.js'
import { memoryMutants } from './mutants/memory.js'
import { pipelineMutants } from './mutants/pipeline.js'
import { receiverMutants } from './mutants/receiver.js'
import { redisMutants } from './mutants/redis.js'
import { runMutants } from './mutants/runs.js'
import { simulatorMutants } from './mutants/simulator.js'
import { sqlMutants } from './mutants/sql.js'
import { submitMutants } from './mutants/submit.js'
import { telemetryMutants } from './mutants/telemetry.js'
import { tokenMutants } from './mutants/token.js'

/** All guards whose removal must make a test fail. */
export const mutants: readonly Mutant[] = [
  ...intakeMutants,
  ...tokenMutants,
  ...bodyMutants,
  ...clientMutants,
  ...confirmMutants,
  ...approvalMutants,
  ...pipelineMutants,
  ...runMutants,
  ...memoryMutants,
  ...redisMutants,
  ...submitMutants,
  ...receiverMutants,
  ...sqlMutants,
  ...simulatorMutants,
  ...telemetryMutants,
]
