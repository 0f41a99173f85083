import { isCofferError } from '@coffer/errors'
import type { Exchange } from '../exchange.ts'
import { queryApiError } from './errors.ts'

/** Tells the audit trail why the iam service refused; the client is told less. */
export function noteRefusal({ trail }: Exchange, error: unknown): never {
  if (isCofferError(error, 'IAM_ACCESS_DENIED') && 'reason' in error.details) {
    const { action, resource, reason } = error.details
    trail.names({ resource: String(resource) })
    trail.decided(String(action), { effect: 'deny', reason: String(reason) })
  }
  throw error
}

export function overPlainHttp(action: string) {
  return queryApiError('ValidationError', {
    message: `Requests for ${action} carry secrets and must be made over a secure connection.`,
  })
}
