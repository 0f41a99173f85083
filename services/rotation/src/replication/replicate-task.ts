import type { BlobStore } from '@coffer/blob-store'
import type { MetadataKey } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import type { OutboxEvent, VersionRecord } from '@coffer/metadata-store'
import {
  type ChangedAttribute,
  type ObjectAttributes,
  objectEvents,
  openAttributes,
  openBucketRecord,
  type ReplicationTask,
  replaceObjectKey,
  withReplicationOutcome,
} from '@coffer/object-record'
import { rotationError } from '../errors.ts'
import type { ByteBudget } from './byte-budget.ts'
import type { ReplicationDestination, SentChange, SentPlace } from './destination.ts'
import { type ReplicatedVersion, SENT_BYTES_MAX, sentObjectOf } from './sent-object.ts'

export interface TaskPlace {
  readonly bucket: { readonly name: string; readonly id: string }
  readonly metadataKey: MetadataKey
  readonly task: ReplicationTask
}

interface Means {
  readonly mesh: Mesh
  readonly blobs: BlobStore
  readonly destination: ReplicationDestination
  readonly budget: ByteBudget
}

/** Of changes by others to the same version at the same time. */
const ATTEMPTS_MAX = 16

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
    if (versionId !== undefined && change) await destination.changeVersion(placeOf(task), versionId, change)
    return 0
  }
  if (done === undefined) return 0
  if (task.onlyIfLatest && !found.isLatest) {
    await tellOutcome(means.mesh, place, { outcome: 'FAILED' })
    return 0
  }
  // Sent already, and only the entry outlived it.
  if (done.outcome === 'COMPLETED') return 0
  const { sse } = found.attributes
  if ((sse === 'SSE-KMS' || sse === 'DSSE-KMS') && !destination.takesKmsObjects) {
    throw rotationError('ROTATION_DESTINATION_REFUSED', { reason: 'not configured for SSE-KMS' })
  }
  const versionId = await budget.spend(Math.min(found.version.sizeBytes, SENT_BYTES_MAX), async () => {
    return await destination.putObject(await sentObjectOf(means, bucket.name, found, task))
  })
  await tellOutcome(means.mesh, place, { outcome: 'COMPLETED', ...(versionId !== undefined && { versionId }) })
  return found.version.sizeBytes
}

/** Writes what became of it into the version's record, where its readers see it. */
export async function tellOutcome(
  mesh: Mesh,
  place: TaskPlace,
  result: { readonly outcome: 'COMPLETED' | 'FAILED'; readonly versionId?: string },
): Promise<void> {
  const { bucket, metadataKey, task } = place
  for (let attempt = 1; ; attempt++) {
    const found = await findVersion(mesh, place, false)
    const state = found && withReplicationOutcome(found.attributes.replication, task.destination, result)
    if (found === undefined || state === undefined) return
    const { version, attributes, objectKey } = found
    const events = result.outcome === 'FAILED' ? await failureEvents(mesh, place, version) : undefined
    try {
      return await mesh.use('metadata').replaceObjectKey({
        bucketId: bucket.id,
        key: version.key,
        versionId: version.versionId,
        expectedSealed: version.sealed,
        keyRef: version.keyRef,
        sealed: replaceObjectKey(metadataKey, bucket.id, version, { ...attributes, replication: state }, objectKey),
        ...(events && { events }),
      })
    } catch (error) {
      if (!isCofferError(error, 'META_VERSION_CHANGED') || attempt === ATTEMPTS_MAX) throw error
    }
  }
}

/** For whom the bucket's rules of today have told of it. */
async function failureEvents(
  mesh: Mesh,
  { bucket, metadataKey }: TaskPlace,
  { key, versionId, isNull }: VersionRecord,
): Promise<readonly OutboxEvent[] | undefined> {
  const record = await mesh.use('metadata').findBucket(bucket.name)
  if (record?.id !== bucket.id) return undefined
  const rules = openBucketRecord(metadataKey, record)
  return objectEvents({ record, metadataKey }, rules, () => ({
    at: Date.now(),
    name: 's3:Replication:OperationFailedReplication',
    region: rules.region ?? '',
    bucket: { name: record.name, ownerId: record.ownerAccountId },
    object: { key, versionId: isNull ? 'null' : versionId },
  }))
}

async function findVersion(
  mesh: Mesh,
  { bucket, metadataKey, task }: TaskPlace,
  withBody: boolean,
): Promise<ReplicatedVersion | undefined> {
  const { key, versionId } = task
  const found = await mesh.use('metadata').findVersion(bucket.id, key, { versionId }, { withBody })
  if (found === undefined || found.version.isDeleteMarker) return undefined
  const { body = { kind: 'none' } } = found
  const opened = openAttributes(metadataKey, bucket.id, found.version)
  const { version, isLatest } = found
  return { bucketId: bucket.id, metadataKey, version, isLatest, body, ...opened }
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
