/** Parts of test titles by file, with the reason why each does not run on the other stores. */
export type Exceptions = Readonly<Record<string, Readonly<Record<string, string>>>>

const ofMemory = 'it is about an option, or a check, of the memory store alone'
const volume =
  'it calls the store a hundred thousand times or more: minutes on a database, and nothing in it depends on the store'

/** Tests of the receiver that do not run on SQLite, Postgres and Redis. */
export const exceptions: Exceptions = {
  'operator.test.ts': { 'where the store is full, and keeps what it has': ofMemory },
  'options.test.ts': { 'is refused with a memory store, which no other process sees': ofMemory },
  'submit.test.ts': { 'because it is full': ofMemory },
  'close.test.ts': { 'is no timer and no entry in any map after': volume },
  'expiry.test.ts': {
    'is polled by the sweep until then; the approval is parked once': volume,
    'can recover: after a retry of the parked approval': volume,
  },
  'fairness.test.ts': {
    'delays the approvals of another by less than 5 s': volume,
    'pays for each poll once, and no faster than its budget': volume,
  },
  'keyed-submissions.test.ts': {
    'lasts as long as its approval is open, however long that is': volume,
    'expires, each key of it': volume,
    'once nothing is open, nothing remains in the store': volume,
  },
  'processes.test.ts': {
    'keeps its decision from another process for as long as it works': volume,
    'it even if the API responded at the end of its time-out': volume,
  },
  'sweep.test.ts': { 'a fifth more or less, however old it is': volume },
  'wait.test.ts': { 'cost one read of each a round, 64 at a time': volume },
}
