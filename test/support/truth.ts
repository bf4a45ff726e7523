import { createHash } from 'node:crypto'

/** The reviewer's decision. */
export interface Truth {
  readonly status: 'APPROVED' | 'REJECTED' | 'TIMED_OUT'
  /** The reviewer's edit. */
  readonly modifiedDetails: { readonly n: number; readonly amount: number } | null
  /** The expected values in the ledger of effects. */
  readonly effect: { readonly status: 'approved' | 'rejected' | 'expired'; readonly amount: string }
}

/** The decision on request `n`: the same for the same seed, but unpredictable. */
export function truthOf(seed: number, n: number): Truth {
  const [first = 0, second = 0] = createHash('sha256').update(`${seed} ${n}`).digest()
  if (first >= 230) return { status: 'TIMED_OUT', modifiedDetails: null, effect: { status: 'expired', amount: '-' } }
  if (first >= 190) return { status: 'REJECTED', modifiedDetails: null, effect: { status: 'rejected', amount: '-' } }
  const edited = second < 32 ? { n, amount: n + 7_000_000 } : null
  const amount = String(edited?.amount ?? amountOf(n))
  return { status: 'APPROVED', modifiedDetails: edited, effect: { status: 'approved', amount } }
}

/** The details of request `n`. */
export function amountOf(n: number): number {
  return n + 100
}
