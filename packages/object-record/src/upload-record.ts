import type { StoredObjectKey } from '@coffer/contracts'
import { type DataAlgorithm, encodeFields, type MetadataKey } from '@coffer/crypto-core'
import type { UploadRecord } from '@coffer/metadata-store'
import type { ChecksumAlgorithm, ChecksumType, ObjectHeaders, ObjectLock, StorageClass } from '@coffer/s3-protocol'
import type { KmsAttributes, ObjectAcl, SseKind } from './object-attributes.ts'
import type { ReplicaSource } from './replication.ts'

/** What an upload's sealed record says. */
export interface UploadAttributes {
  readonly sse: SseKind
  readonly kms?: KmsAttributes
  readonly algorithm: DataAlgorithm
  readonly headers: ObjectHeaders
  readonly lock?: ObjectLock
  readonly acl?: ObjectAcl
  /** The object will be a replica of one elsewhere. */
  readonly replicaOf?: ReplicaSource | 'unknown'
  /** The same in older records. */
  readonly isReplica?: true
  /** Absent: STANDARD. */
  readonly storageClass?: StorageClass
  /** Of the object key; the sealed key is base64. Its context is the upload id, for the object's whole life. */
  readonly keyRef: string
  readonly sealedObjectKey: string
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType }
}

/** The clear fields that an upload's record is bound to. Its key reference is in the attributes as well. */
export type SealedUploadFields = Pick<UploadRecord, 'key' | 'uploadId' | 'initiatedAt' | 'ownerAccountId'>

/** An upload's `sealed` field, with its object key as it is stored. */
export function sealUploadRecord(
  metadataKey: MetadataKey,
  bucketId: string,
  upload: SealedUploadFields,
  attributes: Omit<UploadAttributes, 'keyRef' | 'sealedObjectKey'>,
  { keyRef, sealed }: StoredObjectKey,
): Uint8Array {
  const sealedObjectKey = Buffer.from(sealed).toString('base64')
  const plain: UploadAttributes = { ...attributes, keyRef, sealedObjectKey }
  return metadataKey.sealRecord(Buffer.from(JSON.stringify(plain)), uploadFields(bucketId, upload))
}

/** CRYPTO_RECORD_DAMAGED. */
export function openUploadRecord(
  metadataKey: MetadataKey,
  bucketId: string,
  upload: UploadRecord,
): { readonly attributes: UploadAttributes; readonly objectKey: StoredObjectKey } {
  const plain = metadataKey.openRecord(upload.sealed, uploadFields(bucketId, upload))
  const attributes = JSON.parse(plain.toString()) as UploadAttributes
  const sealed = Buffer.from(attributes.sealedObjectKey, 'base64')
  return { attributes, objectKey: { keyRef: attributes.keyRef, sealed } }
}

function uploadFields(bucketId: string, upload: SealedUploadFields): Uint8Array {
  const { key, uploadId, initiatedAt, ownerAccountId } = upload
  return encodeFields('upload', bucketId, key, uploadId, initiatedAt, ownerAccountId)
}
