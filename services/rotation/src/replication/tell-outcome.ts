import { isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import type { OutboxEvent, VersionRecord } from '@coffer/metadata-store'
import {
  isTimeControlled,
  objectEvents,
  openBucketRecord,
  type ReplicationState,
  replaceObjectKey,
  withLateReplication,
  withReplicationOutcome,
} from '@coffer/object-record'
import type { ObjectEventName } from '@coffer/s3-protocol'
import { findVersion, type TaskPlace } from './task-place.ts'

type Rules = ReturnType<typeof openBucketRecord>

/** Of changes by others to the same version at the same time. */
const ATTEMPTS_MAX = 16

/** Writes what became of it into the version's record, where its readers see it, and tells who listens of a failure, or of one that came late. */
export async function tellOutcome(
  mesh: Mesh,
  place: TaskPlace,
  result: { readonly outcome: 'COMPLETED' | 'FAILED'; readonly versionId?: string },
  isLate = false,
): Promise<void> {
  const change = (state: ReplicationState | undefined) => withReplicationOutcome(state, place.task.destination, result)
  if (result.outcome === 'FAILED')
    return await changeState(mesh, place, change, () => 's3:Replication:OperationFailedReplication')
  return await changeState(
    mesh,
    place,
    change,
    isLate ? () => 's3:Replication:OperationReplicatedAfterThreshold' : undefined,
  )
}

/**
 * Tells who listens, once, that a version waits for longer than Replication Time Control has it; or, where no rule of the bucket
 * wants that any more, that it is no longer watched.
 */
export async function tellLate(mesh: Mesh, place: TaskPlace): Promise<void> {
  const { destination } = place.task
  await changeState(
    mesh,
    place,
    (state) => withLateReplication(state, destination),
    ({ replication }) =>
      isTimeControlled(replication, destination)
        ? 's3:Replication:OperationMissedThreshold'
        : 's3:Replication:OperationNotTracked',
  )
}

/** In one commit with its event. What has gone, or is so already, is left. */
async function changeState(
  mesh: Mesh,
  place: TaskPlace,
  change: (state: ReplicationState | undefined) => ReplicationState | undefined,
  eventName: ((rules: Rules) => ObjectEventName) | undefined,
): Promise<void> {
  const { bucket, metadataKey } = place
  for (let attempt = 1; ; attempt++) {
    const found = await findVersion(mesh, place, false)
    const state = found && change(found.attributes.replication)
    if (found === undefined || state === undefined) return
    const { version, attributes, objectKey } = found
    const events = eventName && (await eventsOf(mesh, place, version, eventName))
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
async function eventsOf(
  mesh: Mesh,
  { bucket, metadataKey }: TaskPlace,
  { key, versionId, isNull, sizeBytes }: VersionRecord,
  nameOf: (rules: Rules) => ObjectEventName,
): Promise<readonly OutboxEvent[] | undefined> {
  const record = await mesh.use('metadata').findBucket(bucket.name)
  if (record?.id !== bucket.id) return undefined
  const rules = openBucketRecord(metadataKey, record)
  return objectEvents({ record, metadataKey }, rules, () => ({
    at: Date.now(),
    name: nameOf(rules),
    region: rules.region ?? '',
    bucket: { name: record.name, ownerId: record.ownerAccountId },
    object: { key, versionId: isNull ? 'null' : versionId, sizeBytes },
  }))
}
