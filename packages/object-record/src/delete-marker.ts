import type { MetadataKey } from '@coffer/crypto-core'
import type { BucketRecord, CommitVersion, VersionId } from '@coffer/metadata-store'
import { sealAttributes } from './object-attributes.ts'
import { sealSummary } from './summary.ts'
import { newVersionId } from './version-id.ts'

/** The commit that puts a delete marker on top of a key's current version, and on nothing else. */
export function deleteMarkerOver(
  metadataKey: MetadataKey,
  bucket: BucketRecord,
  current: { readonly key: string; readonly versionId: VersionId },
  nowMs: number,
): CommitVersion {
  const fields = {
    key: current.key,
    versionId: newVersionId(nowMs, current.versionId),
    isNull: bucket.versioning !== 'enabled',
    isDeleteMarker: true,
    lastModifiedAt: nowMs,
    sizeBytes: 0,
    keyRef: '',
  }
  return {
    bucketId: bucket.id,
    bucketRevision: bucket.revision,
    version: {
      ...fields,
      sealed: sealAttributes(metadataKey, bucket.id, { ...fields, bodyKind: 'none' }, undefined, new Uint8Array(0)),
      summary: sealSummary(metadataKey, bucket.id, fields, undefined),
    },
    body: { kind: 'none' },
    expectedCurrent: current.versionId,
  }
}
