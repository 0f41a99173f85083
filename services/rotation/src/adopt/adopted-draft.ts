import { randomBytes } from 'node:crypto'
import type { StoredObjectKey } from '@coffer/contracts'
import { DUAL_LAYER_ALGORITHM, type Secret, type SingleLayerAlgorithm } from '@coffer/crypto-core'
import { isAliasName, SERVER_KEY_ID } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import type { VersionId } from '@coffer/metadata-store'
import {
  type KmsAttributes,
  newVersionId,
  type ObjectAttributes,
  type SseKind,
  sealContextOf,
} from '@coffer/object-record'
import { isKmsAlgorithm, KMS_ALGORITHMS, masterKeyNameOf, parseObjectHeaders, withTags } from '@coffer/s3-protocol'
import type { OpenedBucket } from './adopting-bucket.ts'
import { defaultKeyName } from './default-key-name.ts'
import { type ReceivedBody, type ReceivingMeans, receiveBody } from './receive-body.ts'
import type { SourceVersion } from './source.ts'
import { sourceError } from './source-errors.ts'

export interface DraftMeans extends ReceivingMeans {
  readonly mesh: Mesh
  readonly dataAlgorithm: SingleLayerAlgorithm
}

/** An object that has arrived and been sealed: ready but for its place among the versions of its key. */
export interface AdoptedDraft {
  readonly version: SourceVersion
  /** The id that its object key is sealed for. */
  readonly keyContextId: VersionId
  readonly attributes: ObjectAttributes
  readonly objectKey: StoredObjectKey
  readonly received: ReceivedBody
}

/**
 * Reads an object from the source and seals it under an object key of its own, as its new bucket has it. The refusals of the
 * source, ROTATION_SOURCE_DAMAGED, the codes of the KMS; S3's where it could not have been put here (MetadataTooLarge, InvalidTag).
 */
export async function receiveDraft(
  means: DraftMeans,
  bucket: OpenedBucket,
  version: SourceVersion,
): Promise<AdoptedDraft> {
  const [object, tags] = await Promise.all([means.source.describe(version), means.source.findTags(version)])
  if (version.etag !== object.etag) throw sourceError('ROTATION_SOURCE_CHANGED', 'it is another object now')
  const headers = withTags(parseObjectHeaders(object.headers), tags)
  // Without its lock it would be less than it was; who wants that copies it by himself.
  if (object.lock !== undefined && bucket.config.objectLock === undefined) {
    throw sourceError('ROTATION_SOURCE_LOCKED', 'make the bucket with Object Lock')
  }
  const keyContextId = newVersionId(Date.now())
  const { objectKey, stored, held, algorithm } = await issueKey(means, bucket, { key: version.key, keyContextId })
  try {
    const received = await receiveBody(means, version, object, { objectKey, algorithm })
    const attributes: ObjectAttributes = {
      ...held,
      algorithm,
      keyContextId,
      objectKeyAt: Date.now(),
      headers,
      etagHex: held.sse === 'SSE-S3' ? received.etagHex : randomBytes(received.etagHex.length / 2).toString('hex'),
      ...(received.partCount !== undefined && { partCount: received.partCount }),
      ...(received.body.kind === 'inline' && { streamSalt: received.body.salt }),
      checksum: received.checksum,
      ...(object.lock && { lock: object.lock }),
      adopted: { etag: object.etag, ...(version.versionId !== undefined && { versionId: version.versionId }) },
    }
    return { version, keyContextId, attributes, objectKey: stored, received }
  } finally {
    objectKey.wipe()
  }
}

interface IssuedKey {
  readonly objectKey: Secret
  readonly stored: StoredObjectKey
  readonly held: { readonly sse: SseKind; readonly kms?: KmsAttributes }
  readonly algorithm: ObjectAttributes['algorithm']
}

/** As the bucket's default encryption says. */
async function issueKey(
  { mesh, dataAlgorithm }: DraftMeans,
  { record, config: { encryption } }: OpenedBucket,
  { key, keyContextId }: { readonly key: string; readonly keyContextId: VersionId },
): Promise<IssuedKey> {
  const crypto = mesh.use('crypto')
  if (!isKmsAlgorithm(encryption?.algorithm)) {
    const context = sealContextOf(record.id, key, { keyContextId, algorithm: dataAlgorithm })
    const issued = await crypto.issueObjectKey(context, mesh.recipient())
    const objectKey = mesh.unparcel(issued.objectKey, 'object-key', context)
    return { objectKey, stored: issued.stored, held: { sse: 'SSE-S3' }, algorithm: dataAlgorithm }
  }
  const sse = KMS_ALGORITHMS[encryption.algorithm]
  const keyId = encryption.kmsKeyId ?? SERVER_KEY_ID
  const kms: KmsAttributes = { keyId, bucketKeyEnabled: encryption.bucketKeyEnabled && sse === 'SSE-KMS' }
  const algorithm = sse === 'DSSE-KMS' ? DUAL_LAYER_ALGORITHM : dataAlgorithm
  const context = sealContextOf(record.id, key, { keyContextId, algorithm, kms })
  const keyName = await defaultKeyName(mesh, record, keyId)
  const masterKey = { keyName, bucketKeyEnabled: kms.bucketKeyEnabled }
  const { objectKey, stored } = await crypto.issueObjectKey(context, mesh.recipient(), masterKey)
  // An alias may name another key tomorrow; what sealed the object does not change with it.
  const named = isAliasName(masterKeyNameOf(keyId)) ? { ...kms, keyId: stored.keyName } : kms
  return { objectKey: mesh.unparcel(objectKey, 'object-key', context), stored, held: { sse, kms: named }, algorithm }
}
