import type { Client } from '../cheqpoint/client-types.js'
import type { Telemetry } from '../model/telemetry.js'
import type { Pipeline } from '../pipeline/pipeline.js'
import type { Submitter } from '../submit/submitter.js'

/*
 * The parts of a receiver whose work a trace shows. Each is a part that does the same with a span around it.
 */

/** Confirmations, and the calls of submissions. */
export function observedClient(client: Client, telemetry: Telemetry): Client {
  return {
    ...client,
    get: (approvalId, call) => telemetry.during({ kind: 'confirm', approvalId }, () => client.get(approvalId, call)),
    inbound: (request, call) => telemetry.during({ kind: 'send' }, () => client.inbound(request, call)),
  }
}

/** Work on an approval that a callback, or the sweep, asks for. */
export function observedPipeline(
  kind: 'callback' | 'sweep',
  pipeline: Pick<Pipeline, 'process'>,
  telemetry: Telemetry,
): Pick<Pipeline, 'process'> {
  return {
    process(trigger, onResolved) {
      const { approvalId } = trigger
      return telemetry.during({ kind, approvalId }, () => pipeline.process(trigger, onResolved))
    },
  }
}

/** Submissions. */
export function observedSubmitter(submitter: Submitter, telemetry: Telemetry): Pick<Submitter, 'submit'> {
  return {
    submit(request, options) {
      const given: unknown = Object(request).action
      // What is no text is refused once the arguments are checked.
      const action = typeof given === 'string' ? given : ''
      return telemetry.during({ kind: 'submit', action }, () => submitter.submit(request, options))
    },
  }
}
