import { eventTargetError } from './errors.ts'
import type { EventMessage, EventTarget } from './event-target.ts'
import { SettledTooLate, settledWithin } from './settled-within.ts'

/** How long a target of a third party may take over one message, unless its settings say otherwise. */
export const SEND_TIMEOUT_MS_DEFAULT = 10_000
/** Messages that a target has never settled: with so many, it is given one at a time until it settles one again. */
const HUNG_MAX = 1_000

/**
 * A target that settles in time, around one that may not. What it settles too late changes nothing: the message has been given
 * back to its queue by then, and whoever gets it twice knows it by its id.
 */
export function withDeadline(target: EventTarget, timeoutMs: number): EventTarget {
  /** Since a message was settled in time. What hangs holds memory, and may do so for ever. */
  let hungCount = 0
  let isProbed = false

  async function sendInTime(message: EventMessage): Promise<void> {
    try {
      await settledWithin(target.send(message), timeoutMs)
      hungCount = 0
    } catch (error) {
      if (!(error instanceof SettledTooLate)) {
        hungCount = 0
        throw error
      }
      hungCount++
      throw unavailable(`no answer in ${timeoutMs} ms`, error)
    }
  }

  return {
    async send(message) {
      if (hungCount < HUNG_MAX) return await sendInTime(message)
      if (isProbed) throw unavailable('earlier messages are without an answer')
      isProbed = true
      await sendInTime(message).finally(() => {
        isProbed = false
      })
    },
    async close() {
      await settledWithin(target.close(), timeoutMs).catch((error: unknown) => {
        // Whoever stops has waited long enough.
        if (!(error instanceof SettledTooLate)) throw error
      })
    },
  }
}

function unavailable(reason: string, cause?: unknown) {
  return eventTargetError('EVENT_TARGET_UNAVAILABLE', { reason }, { cause })
}
