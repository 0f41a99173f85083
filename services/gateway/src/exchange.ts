import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Span } from '@coffer/tracing'
import type { Trail } from './audit/trail.ts'
import type { ObservedRequest } from './gateway-options.ts'

/** One request and its response on the wire, before anything is understood. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
  readonly receivedAtMs: number
  /** Came over TLS. */
  readonly secure: boolean
  /** What the client is told, where that is an error. */
  errorCode?: string
  /** Once it is known which of the APIs' operations it is. */
  operation?: Pick<ObservedRequest, 'api' | 'operation'>
  /** Where its trace is kept. */
  span?: Span
  /** What the audit trail will tell of it. */
  readonly trail: Trail
}
