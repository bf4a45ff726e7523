/** What is known of one id, by what was asked for and answered. Nothing of it comes from the store or its records. */
export interface Known {
  /** How often it was registered anew. */
  life: number
  /** When its present life began. */
  since: number
  /** Registered, and neither completed nor cancelled as far as was reported. */
  open: boolean
  /** When it was cancelled in this life. */
  cancelledAt: number | null
  /** How often a person revived it in this life. */
  retries: number
  /** How often it had been revived when it was seen parked last; `null` if it never was. */
  parkedAt: number | null
  /** The decision that was recorded when it was last read. */
  recorded: string | null
  /** When somebody asked by hand, past every gap. */
  readonly manual: number[]
}

export interface Model {
  readonly ids: Map<string, Known>
}

/** Two, so that much happens to each. */
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
