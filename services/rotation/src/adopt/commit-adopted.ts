import type { StoredObjectKey } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import type { CommitVersion, VersionBody, VersionId } from '@coffer/metadata-store'
import { sealManifest } from '@coffer/object-body'
import {
  etagOf,
  newVersionId,
  type ObjectAttributes,
  objectEvents,
  planReplication,
  sealAttributes,
  sealSummary,
} from '@coffer/object-record'
import { retentionFrom } from '@coffer/s3-protocol'
import type { AdoptedDraft } from './adopted-draft.ts'
import type { AdoptingBucket, OpenedBucket } from './adopting-bucket.ts'
import type { SourceVersion } from './source.ts'

/** Of changes of the bucket, or of newer versions, at the same time. */
const ATTEMPTS_MAX = 16
/** MD5 of nothing: what S3 tells of a delete marker. */
const EMPTY_ETAG = 'd41d8cd98f00b204e9800998ecf8427e'
const NO_KEY: StoredObjectKey = { keyRef: '', sealed: new Uint8Array(0) }

/** What stands on top of the key when the commit is made; else META_PRECONDITION_FAILED, and nothing is written. */
export type ExpectedCurrent = VersionId | 'none'

export interface CommittedAdoption {
  readonly versionId: VersionId
  readonly garbage: readonly string[]
}

/**
 * Makes what was adopted the newest version of its key, with the source's date, in one atomic write. `draft` undefined: a delete
 * marker. Replication and notifications go with it as with a put.
 */
export async function commitAdopted(
  mesh: Mesh,
  target: AdoptingBucket,
  { version, draft, expectedCurrent }: CommitRequest,
): Promise<CommittedAdoption> {
  let bucket = target.current
  let versionId = draft?.keyContextId ?? newVersionId(Date.now())
  for (let attempt = 1; ; attempt++) {
    try {
      const commit = sealCommit(bucket, { version, draft, expectedCurrent }, versionId)
      const { garbage } = await mesh.use('metadata').commitVersion(commit)
      return { versionId, garbage }
    } catch (error) {
      if (!isCofferError(error) || attempt === ATTEMPTS_MAX) throw error
      if (error.code === 'META_BUCKET_CHANGED') bucket = await target.refresh()
      else if (error.code === 'META_VERSION_NOT_NEWEST') versionId = newVersionId(Date.now(), newestOf(error.details))
      else throw error
    }
  }
}

interface CommitRequest {
  readonly version: SourceVersion
  readonly draft: AdoptedDraft | undefined
  readonly expectedCurrent: ExpectedCurrent
}

function sealCommit(
  bucket: OpenedBucket,
  { version, draft, expectedCurrent }: CommitRequest,
  versionId: VersionId,
): CommitVersion {
  const { record, metadataKey, config } = bucket
  const { key } = version
  const retained = draft && withDefaultRetention(draft.attributes, bucket)
  const sizeBytes = draft?.received.sizeBytes ?? 0
  const replication = planReplication(bucket, config.replication, { key, versionId, sizeBytes }, retained)
  const attributes = retained && { ...retained, ...(replication.state && { replication: replication.state }) }
  const objectKey = draft?.objectKey ?? NO_KEY
  const body = bodyOf(bucket, key, versionId, draft)
  const fields = {
    key,
    versionId,
    isNull: record.versioning !== 'enabled',
    isDeleteMarker: attributes === undefined,
    lastModifiedAt: version.lastModifiedAt,
    sizeBytes,
    keyRef: objectKey.keyRef,
  }
  const sealedFields = { ...fields, bodyKind: body.kind }
  const notifications = objectEvents(bucket, config, () => ({
    at: Date.now(),
    name: attributes ? 's3:ObjectCreated:Copy' : 's3:ObjectRemoved:DeleteMarkerCreated',
    region: config.region ?? '',
    bucket: { name: record.name, ownerId: record.ownerAccountId },
    object: {
      key,
      sizeBytes: fields.sizeBytes,
      etag: attributes ? etagOf(attributes).slice(1, -1) : EMPTY_ETAG,
      ...(record.versioning !== 'unversioned' && { versionId: fields.isNull ? 'null' : versionId }),
    },
  }))
  const events = [...(notifications ?? []), ...replication.events]
  return {
    bucketId: record.id,
    bucketRevision: record.revision,
    version: {
      ...fields,
      sealed: sealAttributes(metadataKey, record.id, sealedFields, attributes, objectKey.sealed),
      summary: sealSummary(metadataKey, record.id, fields, attributes),
    },
    body,
    expectedCurrent,
    ...(events.length > 0 && { events }),
  }
}

function bodyOf(
  { record, metadataKey }: OpenedBucket,
  key: string,
  versionId: VersionId,
  draft: AdoptedDraft | undefined,
): VersionBody {
  if (draft === undefined) return { kind: 'none' }
  const { body } = draft.received
  if (body.kind === 'inline') return { kind: 'inline', bytes: body.bytes }
  const manifest = sealManifest(metadataKey, record.id, key, versionId, body.parts)
  return { kind: 'blobs', blobs: body.blobs, manifest }
}

/** A bucket's default retention runs from now on: of an old object it would be over before it began. */
function withDefaultRetention(attributes: ObjectAttributes, { config }: OpenedBucket): ObjectAttributes {
  const byDefault = config.objectLock?.defaultRetention
  if (byDefault === undefined || attributes.lock?.retention !== undefined) return attributes
  return { ...attributes, lock: { ...attributes.lock, retention: retentionFrom(byDefault, Date.now()) } }
}

function newestOf({ newest }: Readonly<Record<string, string | number | boolean>>): VersionId | undefined {
  return typeof newest === 'string' ? newest : undefined
}
