/** The model of one id, from calls and responses only. Nothing comes from the store or its entries. */
export interface Known {
  /** How often it was registered again. */
  life: number
  /** Start of its present life. */
  since: number
  /** Registered, and not reported as completed or cancelled. */
  open: boolean
  /** When it was cancelled in this life. */
  cancelledAt: number | null
  /** How often an operator retried it in this life. */
  retries: number
  /** Number of retries when it was last seen parked; `null` if never. */
  parkedAt: number | null
  /** The recorded decision at the last read. */
  recorded: string | null
  /** Times of polls by hand, which ignore the minimum interval. */
  readonly manual: number[]
}

export interface Model {
  readonly ids: Map<string, Known>
}

/** Two, so that each has many events. */
export const idPool = ['req_1', '__proto__'] as const

export function newModel(): Model {
  const known = (): Known => ({
    life: 0,
    since: 0,
    open: false,
    cancelledAt: null,
    retries: 0,
    parkedAt: null,
    recorded: null,
    manual: [],
  })
  return { ids: new Map(idPool.map((id) => [id, known()])) }
}

export function of(model: Model, id: string): Known {
  const known = model.ids.get(id)
  if (known === undefined) throw new Error(`no such id: ${id}`)
  return known
}
