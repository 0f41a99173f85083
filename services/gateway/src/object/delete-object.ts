import { isCofferError } from '@coffer/errors'
import { objectEvents } from '@coffer/object-record'
import { s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { commitObject, findSameBucket } from './commit-object.ts'
import { discardGarbage } from './discard-garbage.ts'
import { type EventOrigin, eventOf } from './event-origin.ts'
import { versionSelectorOf } from './find-object.ts'
import { assertRemovable } from './object-lock.ts'
import { externalVersionId, newVersionId } from './version-id.ts'
import { resolveCondition, type WriteCondition } from './write-condition.ts'

export interface Deletion {
  readonly key: string
  readonly versionId?: string | undefined
  readonly condition?: WriteCondition | undefined
  /** Passes over governance retention: the request says so, and may. */
  readonly bypassGovernance: boolean
  readonly origin: EventOrigin
  /** It came from a store that replicates to this one. */
  readonly isReplica: boolean
}

export interface Deleted {
  /** Of the version removed, or of the delete marker that was put on top. */
  readonly versionId?: string
  /** A delete marker was made, or the version removed was one. */
  readonly deleteMarker: boolean
  /** Whether `versionId` is that of a new delete marker. */
  readonly madeMarker: boolean
}

const ATTEMPTS_MAX = 16

/**
 * Deletes as the bucket's versioning has it (S3 User Guide, "Deleting object versions"): a named version goes for good; else
 * a versioned bucket gets a delete marker, and any other loses its null version. Deleting nothing succeeds. AccessDenied for a
 * version that is locked.
 */
export async function deleteObject(context: GatewayContext, planned: OpenBucket, deletion: Deletion): Promise<Deleted> {
  const { key, versionId } = deletion
  if (versionId === undefined && planned.record.versioning !== 'unversioned') {
    return putDeleteMarker(context, planned, deletion)
  }
  const selected = versionSelectorOf(key, versionId)
  const which = selected === 'current' ? 'null' : selected
  let bucket = planned
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const expectedCurrent = deletion.condition && (await resolveCondition(context, bucket, key, deletion.condition))
    const events = objectEvents(bucket, bucket.config, () =>
      eventOf(bucket, deletion.origin, 's3:ObjectRemoved:Delete', {
        key,
        ...(typeof which === 'object' && { version: { versionId: which.versionId, isNull: false } }),
        ...(which === 'null' && { version: { versionId: '', isNull: true } }),
      }),
    )
    const expectedSealed = await assertRemovable(context, bucket, key, which, deletion.bypassGovernance)
    try {
      const { removed, garbage } = await context.metadata.removeVersion({
        bucketId: bucket.record.id,
        bucketRevision: bucket.record.revision,
        key,
        which,
        ...(expectedCurrent !== undefined && { expectedCurrent }),
        ...(expectedSealed && { expectedSealed }),
        ...(events && { events }),
      })
      discardGarbage(context, garbage)
      return {
        ...(versionId !== undefined && { versionId: removed ? externalVersionId(removed) : versionId }),
        deleteMarker: versionId !== undefined && (removed?.isDeleteMarker ?? false),
        madeMarker: false,
      }
    } catch (error) {
      if (isCofferError(error, 'META_BUCKET_CHANGED')) {
        bucket = await findSameBucket(context, bucket)
        if (versionId === undefined && bucket.record.versioning !== 'unversioned') {
          return putDeleteMarker(context, bucket, deletion)
        }
      } else if (!isCofferError(error, 'META_VERSION_CHANGED')) {
        if (!isCofferError(error, 'META_PRECONDITION_FAILED') || deletion.condition === undefined) throw error
      }
    }
  }
  throw s3Error('OperationAborted')
}

async function putDeleteMarker(context: GatewayContext, bucket: OpenBucket, deletion: Deletion): Promise<Deleted> {
  const marker = await commitObject(context, bucket, {
    key: deletion.key,
    versionId: newVersionId(Date.now()),
    sizeBytes: 0,
    bodyOf: () => ({ kind: 'none' }),
    condition: deletion.condition,
    eventName: 's3:ObjectRemoved:DeleteMarkerCreated',
    origin: deletion.origin,
    ...(deletion.isReplica && { replicaOf: 'unknown' as const }),
  })
  return { versionId: externalVersionId(marker), deleteMarker: true, madeMarker: true }
}
