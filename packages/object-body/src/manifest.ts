import { encodeFields, type MetadataKey } from '@coffer/crypto-core'
import { invariant } from '@coffer/errors'

/** One part of a stored object: which stream it is (number and salt) and how long its plaintext is. */
export interface ManifestPart {
  /** 0 for an object put whole, else the part number of the upload. */
  readonly number: number
  readonly sizeBytes: number
  /** Base64. */
  readonly salt: string
  /** Base64 checksum of the part, of the object's checksum algorithm. */
  readonly checksum?: string
}

/** The order and identity of an object's blobs, sealed for one version: a swapped or older part does not fit it. */
export function sealManifest(
  metadataKey: MetadataKey,
  bucketId: string,
  key: string,
  versionId: string,
  parts: readonly ManifestPart[],
): Uint8Array {
  const rows = parts.map((part) => [part.number, part.sizeBytes, part.salt, part.checksum])
  return metadataKey.sealRecord(Buffer.from(JSON.stringify(rows)), manifestFields(bucketId, key, versionId))
}

export function openManifest(
  metadataKey: MetadataKey,
  bucketId: string,
  key: string,
  versionId: string,
  sealed: Uint8Array,
): ManifestPart[] {
  const plain = metadataKey.openRecord(sealed, manifestFields(bucketId, key, versionId))
  const rows = JSON.parse(plain.toString()) as [number, number, string, string | null | undefined][]
  invariant(Array.isArray(rows), 'a manifest is a list')
  return rows.map(([number, sizeBytes, salt, checksum]) => ({
    number,
    sizeBytes,
    salt,
    ...(checksum && { checksum }),
  }))
}

function manifestFields(bucketId: string, key: string, versionId: string): Uint8Array {
  return encodeFields('manifest', bucketId, key, versionId)
}
