import { randomBytes } from 'node:crypto'
import type { VersionBody, VersionId } from '@coffer/metadata-store'
import { sealManifest } from '@coffer/object-body'
import type { ObjectAttributes } from '@coffer/object-record'
import type { StoredBody } from '../body/store-body.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'

const MD5_BYTES = 16

/** Attributes and body of a version that was stored whole (put or copied). */
export function newObjectBody(
  bucket: OpenBucket,
  key: string,
  stored: StoredBody,
  rest: Pick<
    ObjectAttributes,
    'sse' | 'kms' | 'algorithm' | 'keyContextId' | 'headers' | 'lock' | 'acl' | 'storageClass'
  >,
): { attributes: ObjectAttributes; bodyOf: (versionId: VersionId) => VersionBody; blobIds: readonly string[] } {
  const { checksum } = stored.verified
  const attributes: ObjectAttributes = {
    ...rest,
    etagHex: etagHexOf(stored.verified.md5),
    ...(stored.kind === 'inline' && { streamSalt: stored.salt }),
    ...(checksum && { checksum: { ...checksum, type: 'FULL_OBJECT' as const } }),
  }
  if (stored.kind === 'inline') {
    const body: VersionBody = { kind: 'inline', bytes: stored.bytes }
    return { attributes, bodyOf: () => body, blobIds: [] }
  }
  const { blob, salt, sizeBytes } = stored
  const parts = [{ number: 0, sizeBytes, salt }]
  const bodyOf = (versionId: VersionId): VersionBody => ({
    kind: 'blobs',
    blobs: [blob],
    manifest: sealManifest(bucket.metadataKey, bucket.record.id, key, versionId, parts),
  })
  return { attributes, bodyOf, blobIds: [blob.blobId] }
}

/** The MD5 of the plaintext where S3 promises it (SSE-S3), else 16 random bytes: an MD5 would tell equal objects apart. */
export function etagHexOf(md5: Uint8Array | undefined): string {
  return Buffer.from(md5 ?? randomBytes(MD5_BYTES)).toString('hex')
}
