import { createHash } from 'node:crypto'

/** What the reviewer decides. */
export interface Truth {
  readonly status: 'APPROVED' | 'REJECTED' | 'TIMED_OUT'
  /** The reviewer's edit. */
  readonly modifiedDetails: { readonly n: number; readonly amount: number } | null
  /** As the ledger of effects must have them. */
  readonly effect: { readonly status: 'approved' | 'rejected' | 'expired'; readonly amount: string }
}

/** The decision on request `n`: the same for the same seed, and no more to be guessed than a person's. */
export function truthOf(seed: number, n: number): Truth {
  const [first = 0, second = 0] = createHash('sha256').update(`${seed} ${n}`).digest()
  if (first >= 230) return { status: 'TIMED_OUT', modifiedDetails: null, effect: { status: 'expired', amount: '-' } }
  if (first >= 190) return { status: 'REJECTED', modifiedDetails: null, effect: { status: 'rejected', amount: '-' } }
  const edited = second < 32 ? { n, amount: n + 7_000_000 } : null
  const amount = String(edited?.amount ?? amountOf(n))
  return { status: 'APPROVED', modifiedDetails: edited, effect: { status: 'approved', amount } }
}

/** What request `n` asks for. */
export function amountOf(n: number): number {
  return n + 100
}
