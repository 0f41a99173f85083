import type { StoredObjectKey } from '@coffer/contracts'
import { type CofferError, invariant, isCofferError } from '@coffer/errors'
import type { CommitVersion, VersionBody, VersionId } from '@coffer/metadata-store'
import {
  etagOf,
  type ObjectAttributes,
  objectEvents,
  planReplication,
  type ReplicaSource,
  sealAttributes,
  sealSummary,
} from '@coffer/object-record'
import { type ObjectEventName, s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { discardGarbage } from './discard-garbage.ts'
import { type EventOrigin, eventOf } from './event-origin.ts'
import { withDefaultRetention } from './object-lock.ts'
import { newVersionId } from './version-id.ts'
import { resolveCondition, type WriteCondition } from './write-condition.ts'

/** A version that is ready but for what only the commit can settle: its place among the key's versions. */
export interface VersionDraft {
  readonly key: string
  readonly versionId: VersionId
  readonly sizeBytes: number
  /** Undefined: a delete marker. */
  readonly attributes?: ObjectAttributes
  readonly objectKey?: StoredObjectKey
  /** Seals what has to be bound to the final version id. */
  readonly bodyOf: (versionId: VersionId) => VersionBody
  readonly condition?: WriteCondition | undefined
  readonly completesUpload?: CommitVersion['completesUpload']
  /** The version that it takes the place of, with its date: only where a key has one version. */
  readonly renames?: NonNullable<CommitVersion['renames']> & { readonly lastModifiedAt: number }
  /** The null version whose blobs are the first of its own. */
  readonly appendsTo?: CommitVersion['appendsTo']
  readonly eventName: ObjectEventName
  /** Absent: Coffer itself. */
  readonly origin?: EventOrigin
  /** It came from a store that replicates to this one: of what, where that was said. */
  readonly replicaOf?: ReplicaSource | 'unknown' | undefined
}

export interface CommittedObject {
  readonly versionId: VersionId
  readonly isNull: boolean
  readonly lastModifiedAt: number
  readonly bucket: OpenBucket
}

const ATTEMPTS_MAX = 16
/** MD5 of nothing: what S3 tells of a delete marker. */
const EMPTY_ETAG = 'd41d8cd98f00b204e9800998ecf8427e'
const NO_KEY: StoredObjectKey = { keyRef: '', sealed: new Uint8Array(0) }

/**
 * Makes a draft the newest version of its key: seals its record and commits it, again with what has changed where another
 * writer or a change of the bucket came between. Durable when it resolves.
 */
export async function commitObject(
  context: GatewayContext,
  planned: OpenBucket,
  draft: VersionDraft,
): Promise<CommittedObject> {
  let bucket = planned
  let versionId = draft.versionId
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const isNull = bucket.record.versioning !== 'enabled'
    // A null version replaces the one before it, which may be locked.
    invariant(!isNull || bucket.config.objectLock === undefined, 'a bucket with Object Lock is versioned')
    if (draft.renames ?? draft.appendsTo) assertUnversioned(bucket)
    const lastModifiedAt = draft.renames?.lastModifiedAt ?? Date.now()
    const commit = await sealCommit(context, bucket, draft, { versionId, isNull, lastModifiedAt })
    try {
      const { garbage } = await context.metadata.commitVersion(commit)
      discardGarbage(context, garbage)
      return { versionId, isNull, lastModifiedAt, bucket }
    } catch (error) {
      if (!isCofferError(error)) throw error
      if (error.code === 'META_BUCKET_CHANGED') bucket = await findSameBucket(context, bucket)
      else if (error.code === 'META_VERSION_NOT_NEWEST') versionId = newVersionId(Date.now(), newestOf(error))
      else if (error.code !== 'META_PRECONDITION_FAILED' || draft.condition === undefined) throw error
    }
  }
  throw s3Error('OperationAborted')
}

/** The bucket as it is now, if it still is the one that the write began with. */
export async function findSameBucket(context: GatewayContext, planned: OpenBucket): Promise<OpenBucket> {
  context.buckets.expire(planned.record.name)
  const bucket = await context.buckets.find(planned.record.name)
  if (bucket?.record.id !== planned.record.id) {
    throw s3Error('NoSuchBucket', { details: { BucketName: planned.record.name } })
  }
  return bucket
}

async function sealCommit(
  context: GatewayContext,
  bucket: OpenBucket,
  draft: VersionDraft,
  place: { versionId: VersionId; isNull: boolean; lastModifiedAt: number },
): Promise<CommitVersion> {
  const { record, metadataKey } = bucket
  const expectedCurrent = draft.condition && (await resolveCondition(context, bucket, draft.key, draft.condition))
  const body = draft.bodyOf(place.versionId)
  const objectKey = draft.objectKey ?? NO_KEY
  const retained = draft.attributes && withDefaultRetention(draft.attributes, bucket, place.lastModifiedAt)
  const { replicaOf } = draft
  const { key, sizeBytes } = draft
  const planned = { key, versionId: place.versionId, sizeBytes, ...(replicaOf && { replicaOf }) }
  const replication = planReplication(bucket, bucket.config.replication, planned, retained)
  const attributes = retained && { ...retained, ...(replication.state && { replication: replication.state }) }
  const fields = {
    key: draft.key,
    ...place,
    isDeleteMarker: attributes === undefined,
    sizeBytes: draft.sizeBytes,
    bodyKind: body.kind,
    keyRef: objectKey.keyRef,
  }
  const { bodyKind: _, ...version } = fields
  const made = objectEvents(bucket, bucket.config, () =>
    eventOf(bucket, draft.origin, draft.eventName, {
      key: draft.key,
      version: place,
      sizeBytes: draft.sizeBytes,
      etag: attributes ? etagOf(attributes).slice(1, -1) : EMPTY_ETAG,
    }),
  )
  const { renames } = draft
  const gone = renames && objectEvents(bucket, bucket.config, () => removalEvent(bucket, draft, renames.key))
  return {
    bucketId: record.id,
    bucketRevision: record.revision,
    version: {
      ...version,
      sealed: sealAttributes(metadataKey, record.id, fields, attributes, objectKey.sealed),
      summary: sealSummary(metadataKey, record.id, fields, attributes),
    },
    body,
    ...(expectedCurrent !== undefined && { expectedCurrent }),
    ...(draft.completesUpload && { completesUpload: draft.completesUpload }),
    ...(renames && { renames }),
    ...(draft.appendsTo && { appendsTo: draft.appendsTo }),
    ...((made || gone || replication.events.length > 0) && {
      events: [...(gone ?? []), ...(made ?? []), ...replication.events],
    }),
  }
}

/**
 * A rename or an append takes a version away: in a bucket with versions that would take it out of its name's history, which
 * nothing but the removal of a named version may. InvalidRequest.
 */
export function assertUnversioned({ record }: OpenBucket): void {
  if (record.versioning === 'unversioned') return
  throw s3Error('InvalidRequest', {
    message: 'Objects can be renamed and appended to in buckets without versioning only.',
  })
}

function removalEvent(bucket: OpenBucket, { origin }: VersionDraft, key: string) {
  return eventOf(bucket, origin, 's3:ObjectRemoved:Delete', { key, version: { versionId: '', isNull: true } })
}

function newestOf(error: CofferError): VersionId | undefined {
  const newest = error.details.newest
  return typeof newest === 'string' ? newest : undefined
}
