import type { EventListener } from '../model/events.js'

/**
 * Hears what happens in this process, and tells when a decision had to be looked for after callbacks were refused
 * because their URL had no valid token: something on the way may cut it off. Told once, until a callback's token
 * arrives again.
 */
export function watchTokens(tell: EventListener): EventListener {
  let spell: 'none' | 'refused' | 'told' = 'none'
  return (event) => {
    // A valid token of another request is named with its id; that one was not cut off.
    if (event.type === 'refused' && event.reason === 'token-refused' && event.approvalId === null) {
      if (spell === 'none') spell = 'refused'
    } else if (event.type === 'confirmed' && event.via === 'callback') {
      spell = 'none'
    } else if (event.type === 'confirmed' && event.via === 'poll' && spell === 'refused') {
      spell = 'told'
      tell({ type: 'token-refused-but-decided', approvalId: event.approvalId })
    }
  }
}
