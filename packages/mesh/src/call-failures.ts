import type { CofferError } from '@coffer/errors'
import { meshError } from './errors.ts'

/**
 * What a caller is told of a call that got no answer. Moleculer marks as retryable what another try may mend (no such
 * service now, time-out, a process that left); the NATS client's own errors are of the connection.
 */
export function failureOfCall(action: string, cause: unknown): CofferError {
  const passing = cause instanceof Error && (cause.name === 'NatsError' || Reflect.get(cause, 'retryable') === true)
  return meshError(passing ? 'MESH_SERVICE_UNAVAILABLE' : 'MESH_CALL_FAILED', { action }, { cause })
}

/** Whether the process that was asked has told that it does not (any longer) offer the service: nothing was begun there. */
export function wasNotDelivered(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'ServiceNotFoundError' && sentTo(cause) !== undefined
}

/** The process that a Moleculer error tells of: absent where this process knew of none to ask. */
function sentTo(cause: Error): unknown {
  const data: unknown = Reflect.get(cause, 'data')
  return typeof data === 'object' && data !== null ? Reflect.get(data, 'nodeID') : undefined
}
