import { CheqpointError } from '../model/errors.js'
import { group } from '../options/option-checks.js'
import type { ClientOptions } from './client-types.js'

/** The keys of one assistant. `best` is the one that worked last. */
export type Keyring = { readonly keys: readonly string[]; best: string }

/** Keyrings by assistant; `null` stands for the only one. No error shows the given values. */
export function readKeys(options: Pick<ClientOptions, 'apiKey' | 'apiKeys'>): ReadonlyMap<string | null, Keyring> {
  const { apiKey, apiKeys } = options
  if (apiKey !== undefined && apiKeys !== undefined) {
    throw new CheqpointError('option-invalid', 'give apiKey or apiKeys, not both')
  }
  if (apiKey !== undefined) return new Map([[null, readKeyring(apiKey, 'apiKey')]])
  const entries = Object.entries(group(apiKeys, 'apiKeys'))
  if (entries.length === 0) {
    throw new CheqpointError('option-missing', 'option apiKey is required, or apiKeys with a key for each assistant')
  }
  // Name and key were swapped. Names of assistants are no secrets: entries and events contain them.
  if (entries.some(([name]) => name.startsWith('cq_live_'))) {
    const allowed = 'keys by the names of assistants, and one of the names is a key'
    throw new CheqpointError('option-invalid', `option apiKeys must hold ${allowed}`)
  }
  return new Map(entries.map(([name, value]) => [name, readKeyring(value, `apiKeys.${name}`)]))
}

function readKeyring(value: unknown, path: string): Keyring {
  const keys: readonly unknown[] = Array.isArray(value) ? [...value] : [value]
  const isKey = (key: unknown): key is string => typeof key === 'string' && /^[!-~]+$/.test(key)
  const [best] = keys
  if (!keys.every(isKey) || !isKey(best)) {
    const allowed = 'a key in printable ASCII, or a list of such keys'
    throw new CheqpointError('option-invalid', `option ${path} must be ${allowed}`)
  }
  return { keys, best }
}
