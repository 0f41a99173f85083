import { s3Error } from '@coffer/s3-protocol'
import type { AuthorizedRequest } from '../requests.ts'
import { assertAlsoAllowed } from '../steps/permission.ts'

const HEADER = 'x-amz-replication-status'

/**
 * Whether a write comes from another store that replicates to this one: it says so in the header in which a replica says so, and
 * needs the leave that AWS's replication needs. Signed, as every x-amz- header. AccessDenied, InvalidArgument.
 */
export function isReplicaWrite(
  request: AuthorizedRequest,
  action: 's3:ReplicateObject' | 's3:ReplicateDelete',
): boolean {
  const status = request.parsed.headers[HEADER]
  if (status === undefined) return false
  if (status !== 'REPLICA') {
    throw s3Error('InvalidArgument', {
      message: `The only value of ${HEADER} in a request is REPLICA.`,
      details: { ArgumentName: HEADER, ArgumentValue: status.slice(0, 64) },
    })
  }
  assertAlsoAllowed(request, action)
  return true
}
