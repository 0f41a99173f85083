import type {
  BodyReplacement,
  CommitVersion,
  KeyUseReplacement,
  ObjectKeyReplacement,
  VersionPlace,
  VersionSelector,
} from '../../metadata-store.ts'
import type { BlobId, BucketId, OutboxEvent, PartRecord } from '../../records.ts'
import {
  afterPrefix,
  blobKey,
  headKey,
  idBytes,
  objectName,
  olderVersionKey,
  partKey,
  uploadKey,
  uploadParts,
  writerKey,
  writerOf,
} from '../rows/keys.ts'
import { Needs } from './needs.ts'

/** S3 API, "Amazon S3 multipart upload limits": 10,000 parts; one more tells that there are no more. */
const PARTS_AND_ONE = 10_001

/** What the frequent operations are sure to read, so that a write takes two round trips and a read one. */
export function needsOfCommit({
  bucketId,
  version,
  body,
  completesUpload,
  renames,
  appendsTo,
  events,
}: CommitVersion): Needs {
  const needs = withEvents(new Needs(), events)
  const name = objectName(bucketId, version.key)
  needs.buckets.add(bucketId)
  if (!version.isDeleteMarker) needs.quotas.add(bucketId)
  needs.row('versions', headKey(name))
  if (body.kind !== 'none') needs.row('bodies', idBytes(version.versionId))
  if (renames) {
    withVersion(needs, objectName(bucketId, renames.key), { versionId: renames.versionId })
    needs.row('bodies', idBytes(renames.versionId))
  } else if (completesUpload) {
    const prefix = uploadParts(bucketId, completesUpload.uploadId)
    needs.row('uploads', uploadKey(name, completesUpload.uploadId))
    needs.range({ table: 'parts', start: partKey(prefix, 1), end: afterPrefix(prefix), limit: PARTS_AND_ONE })
  } else if (appendsTo) {
    needs.row('bodies', idBytes(appendsTo.versionId))
  } else if (body.kind === 'blobs') for (const { blobId } of body.blobs) withBlob(needs, blobId)
  return needs
}

export function needsOfRemoval(removal: {
  bucketId: BucketId
  key: string
  which: VersionSelector
  events?: readonly OutboxEvent[]
}): Needs {
  const needs = withEvents(new Needs(), removal.events)
  needs.buckets.add(removal.bucketId)
  return withVersion(needs, objectName(removal.bucketId, removal.key), removal.which)
}

export function needsOfReplacement(replacement: ObjectKeyReplacement | BodyReplacement): Needs {
  const needs = withEvents(new Needs(), replacement.events)
  const { versionId } = replacement
  withVersion(needs, objectName(replacement.bucketId, replacement.key), { versionId })
  if (!('body' in replacement)) return needs
  needs.row('bodies', idBytes(versionId))
  if (replacement.body.kind === 'blobs') for (const { blobId } of replacement.body.blobs) withBlob(needs, blobId)
  return needs
}

export function needsOfReplacements(replacements: readonly KeyUseReplacement[]): Needs {
  const needs = new Needs()
  for (const { bucketId, key, versionId, isUpload, events } of replacements) {
    const name = objectName(bucketId, key)
    if (isUpload) needs.row('uploads', uploadKey(name, versionId))
    else withVersion(withEvents(needs, events), name, { versionId })
  }
  return needs
}

export function needsOfPlaces(places: readonly VersionPlace[]): Needs {
  const needs = new Needs()
  for (const { bucketId, key, versionId } of places) {
    const name = objectName(bucketId, key)
    withVersion(needs, name, { versionId }).row('current', name)
  }
  return needs
}

export function needsOfPart(bucketId: BucketId, key: string, uploadId: string, part: PartRecord): Needs {
  const needs = new Needs()
  needs.buckets.add(bucketId)
  needs.quotas.add(bucketId)
  needs.row('uploads', uploadKey(objectName(bucketId, key), uploadId))
  needs.row('parts', partKey(uploadParts(bucketId, uploadId), part.partNumber))
  return withBlob(needs, part.blob.blobId)
}

export function needsOfFind(bucketId: BucketId, key: string, which: VersionSelector, withBody: boolean): Needs {
  const name = objectName(bucketId, key)
  const needs = withVersion(new Needs(), name, which).row('current', name)
  if (!withBody) return needs
  if (typeof which === 'object') needs.row('bodies', idBytes(which.versionId))
  else needs.bodiesOfHeads.push(headKey(name))
  return needs
}

function withVersion(needs: Needs, name: Buffer, which: VersionSelector): Needs {
  needs.row('versions', headKey(name))
  return typeof which === 'object' ? needs.row('versions', olderVersionKey(name, which.versionId)) : needs
}

function withBlob(needs: Needs, blobId: BlobId): Needs {
  const key = blobKey(blobId)
  return needs
    .row('writers', writerKey(writerOf(blobId)))
    .row('blob-refs', key)
    .row('garbage', key)
}

function withEvents(needs: Needs, events: readonly OutboxEvent[] | undefined): Needs {
  if (events && events.length > 0) needs.eventNumbers = true
  return needs
}
