import { CheqpointError } from '../model/errors.js'

/** The keys that the simulator accepts. Give exactly one option. */
export interface KeyOptions {
  /** The key, or several, of the only assistant. */
  readonly apiKey?: string | readonly string[] | undefined
  /** Keys by the name of their assistant. An assistant cannot see the requests of another. */
  readonly apiKeys?: Readonly<Record<string, string | readonly string[]>> | undefined
}

/** Each accepted key with the name of its assistant; `null` if there is only one. */
export type Keys = ReadonlyMap<string, string | null>

/** Reads the keys from the options. Throws `option-missing` or `option-invalid`, without showing a key. */
export function readKeys({ apiKey, apiKeys }: KeyOptions): Keys {
  if (apiKey === undefined && apiKeys === undefined) {
    throw new CheqpointError(
      'option-missing',
      'apiKey or apiKeys is required: any text the caller will send as x-api-key',
    )
  }
  if (apiKey !== undefined && apiKeys !== undefined) {
    throw new CheqpointError('option-invalid', 'apiKey and apiKeys exclude each other')
  }
  const keys = new Map<string, string | null>()
  if (apiKey !== undefined) addKeys(keys, 'apiKey', null, apiKey)
  for (const [assistant, own] of Object.entries(apiKeys ?? {})) addKeys(keys, `apiKeys.${assistant}`, assistant, own)
  if (keys.size === 0) throw new CheqpointError('option-invalid', 'apiKey or apiKeys must hold at least one key')
  return keys
}

function addKeys(keys: Map<string, string | null>, option: string, assistant: string | null, own: unknown): void {
  for (const key of Array.isArray(own) ? own : [own]) {
    if (typeof key !== 'string' || !/^[\x21-\x7e]+$/.test(key)) {
      throw new CheqpointError('option-invalid', `${option} must be printable ASCII text without spaces`)
    }
    if (keys.has(key)) throw new CheqpointError('option-invalid', `${option} holds a key that was given before`)
    keys.set(key, assistant)
  }
}
