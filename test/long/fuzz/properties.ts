import { adapters, sockets } from './adapters.js'
import { callbackBodies } from './callback-bodies.js'
import { callbackHeaders } from './callback-headers.js'
import { getAnswers } from './get-answers.js'
import { ids } from './ids.js'
import { memoryModel, redisModel } from './models.js'
import type { Property } from './property.js'
import { redisReplies } from './redis-replies.js'
import { storeFaults } from './store-faults.js'
import { urlTokens } from './url-tokens.js'

/** Properties of untrusted requests. */
export const requestProperties: readonly Property[] = [callbackBodies, callbackHeaders, ids, urlTokens]

/** Every property, in the order in which they are checked. */
export const properties: readonly Property[] = [
  ...requestProperties,
  getAnswers,
  storeFaults,
  redisReplies,
  adapters,
  sockets,
  memoryModel,
  redisModel,
]
