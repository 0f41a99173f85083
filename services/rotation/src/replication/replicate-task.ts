import type { BlobStore } from '@coffer/blob-store'
import type { Mesh } from '@coffer/mesh'
import type { ChangedAttribute, ObjectAttributes, ReplicationTask } from '@coffer/object-record'
import { rotationError } from '../errors.ts'
import { assertKeysOwner } from './assert-keys-owner.ts'
import type { ByteBudget } from './byte-budget.ts'
import type { ReplicationDestination, SentChange, SentPlace } from './destination.ts'
import { type ReplicatedVersion, SENT_BYTES_MAX, sentObjectOf } from './sent-object.ts'
import { findVersion, type TaskPlace } from './task-place.ts'
import { tellOutcome } from './tell-outcome.ts'

interface Means {
  readonly mesh: Mesh
  readonly blobs: BlobStore
  readonly destination: ReplicationDestination
  readonly budget: ByteBudget
  /** Whether it takes longer by now than Replication Time Control has it. */
  readonly isLate: () => boolean
}

/** Does what a task says, as things are now; what has gone meanwhile is not missed. Returns how many bytes of objects it sent. */
export async function replicateTask(means: Means, place: TaskPlace): Promise<number> {
  const { destination, budget } = means
  const { bucket, task } = place
  if (!destination.isFor(bucket.name)) throw rotationError('ROTATION_DESTINATION_REFUSED', { reason: 'not configured' })
  if (task.what === 'delete-marker') {
    await destination.putDeleteMarker(placeOf(task))
    return 0
  }
  const found = await findVersion(means.mesh, place, task.what === 'object')
  const done = outcomeOf(found, task)
  if (found === undefined) return 0
  if (task.what !== 'object') {
    const versionId = task.sourceVersionId ?? done?.versionId
    const change = changeOf(found.attributes, task.what, task.bypassGovernance ?? false)
    const { version } = found
    const replica = task.sourceVersionId === undefined ? undefined : version.isNull ? 'null' : version.versionId
    if (versionId !== undefined && change) await destination.changeVersion(placeOf(task), versionId, change, replica)
    return 0
  }
  if (done === undefined) return 0
  if (task.onlyIfLatest && !found.isLatest) {
    await tellOutcome(means.mesh, place, { outcome: 'FAILED' })
    return 0
  }
  // Sent already, and only the entry outlived it.
  if (done.outcome === 'COMPLETED') return 0
  const { sse, kms } = found.attributes
  if ((sse === 'SSE-KMS' || sse === 'DSSE-KMS') && !destination.takesKmsObjects) {
    throw rotationError('ROTATION_DESTINATION_REFUSED', { reason: 'not configured for SSE-KMS' })
  }
  if (kms !== undefined) await assertKeysOwner(means.mesh, bucket.name, kms)
  const versionId = await budget.spend(Math.min(found.version.sizeBytes, SENT_BYTES_MAX), async () => {
    return await destination.putObject(await sentObjectOf(means, bucket.name, found, task))
  })
  const told = { outcome: 'COMPLETED' as const, ...(versionId !== undefined && { versionId }) }
  await tellOutcome(means.mesh, place, told, task.timeControl === true && means.isLate())
  return found.version.sizeBytes
}

function placeOf({ key, account }: ReplicationTask): SentPlace {
  return { key, ...(account !== undefined && { account }) }
}

/** As it is now; undefined: there is nothing of it to be sent, or no more. */
function changeOf(
  { headers, lock, acl }: ObjectAttributes,
  what: ChangedAttribute,
  bypassGovernance: boolean,
): SentChange | undefined {
  switch (what) {
    case 'tags':
      return { what, tags: headers.tags ?? {} }
    case 'legal-hold':
      return lock?.legalHold && { what, legalHold: lock.legalHold }
    case 'retention': {
      const { retention } = lock ?? {}
      // What has ended meanwhile can't be set any more, and holds nothing.
      return retention && retention.retainUntilAt <= Date.now() ? undefined : { what, retention, bypassGovernance }
    }
    case 'acl':
      return acl?.grants && { what, grants: acl.grants }
  }
}

function outcomeOf(found: ReplicatedVersion | undefined, { destination }: ReplicationTask) {
  const state = found?.attributes.replication
  return state === undefined || 'isReplica' in state ? undefined : state.destinations[destination]
}
