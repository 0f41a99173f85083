import type { IncomingMessage, ServerResponse } from 'node:http'
import type { GatewayAudit } from '../gateway-options.ts'
import type { KmsKeys } from './kms-keys.ts'
import { RequestTrail } from './request-trail.ts'
import { NO_TRAIL, type Trail } from './trail.ts'

/** The trail of a request that has just come. */
export function beginTrail(
  exchange: { readonly request: IncomingMessage; readonly response: ServerResponse },
  facts: { readonly requestId: string; readonly receivedAtMs: number },
  { audit, kmsKeys }: { readonly audit: GatewayAudit | undefined; readonly kmsKeys: KmsKeys },
): Trail {
  return audit === undefined ? NO_TRAIL : new RequestTrail(audit, kmsKeys, exchange, facts)
}
