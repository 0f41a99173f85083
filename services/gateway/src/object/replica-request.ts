import type { ChangeMade, ReplicaSource } from '@coffer/object-record'
import { invalidArgument, s3Error } from '@coffer/s3-protocol'
import type { AuthorizedRequest } from '../requests.ts'
import { assertAlsoAllowed } from '../steps/permission.ts'

const HEADER = 'x-amz-replication-status'

/** What a replica is of: `<bucket>/<version id>`, as the store that it comes from names them. */
const OF_HEADER = 'x-coffer-replica-of'
const OF = /^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/([\x21-\x7e]{1,1024})$/

/** What a new version is a replica of; `unknown` where the other store does not tell; undefined: it is none. AccessDenied, InvalidArgument. */
export function replicaSourceOf(request: AuthorizedRequest): ReplicaSource | 'unknown' | undefined {
  if (!isReplicaWrite(request, 's3:ReplicateObject')) return undefined
  const said = request.parsed.headers[OF_HEADER]
  if (said === undefined) return 'unknown'
  const [, bucket, versionId] = OF.exec(said) ?? []
  if (bucket === undefined || versionId === undefined) throw invalidArgument(OF_HEADER, said.slice(0, 64), '')
  return { bucket, versionId }
}

/** With a change of a replica that goes back to what it is of: the version id of the replica, as its store names it. */
const REPLICA_VERSION_HEADER = 'x-coffer-replica-version'
const VERSION_ID = /^[\x21-\x7e]{1,1024}$/

/** Whether a change of a version that is there comes from another store, and of which replica. AccessDenied, InvalidArgument. */
export function replicaChangeOf(
  request: AuthorizedRequest,
  action: 's3:ReplicateObject' | 's3:ReplicateTags',
): Pick<ChangeMade, 'isReplica' | 'replicaVersionId'> {
  const said = request.parsed.headers[REPLICA_VERSION_HEADER]
  if (!isReplicaWrite(request, action)) return { isReplica: false }
  if (said === undefined) return { isReplica: true }
  if (!VERSION_ID.test(said)) throw invalidArgument(REPLICA_VERSION_HEADER, said.slice(0, 64), '')
  return { isReplica: true, replicaVersionId: said }
}

/**
 * Whether a write comes from another store that replicates to this one: it says so in the header in which a replica says so, and
 * needs the leave that AWS's replication needs. Signed, as every x-amz- header. AccessDenied, InvalidArgument.
 */
export function isReplicaWrite(
  request: AuthorizedRequest,
  action: 's3:ReplicateObject' | 's3:ReplicateDelete' | 's3:ReplicateTags',
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
