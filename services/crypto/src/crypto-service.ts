import type { CryptoService, StoredObjectKey } from '@coffer/contracts'
import { generateObjectKey, openObjectKey, type SealContext, type Secret, sealObjectKey } from '@coffer/crypto-core'
import type { Mesh } from '@coffer/mesh'
import { BucketKeys } from './bucket-keys.ts'
import { engineError } from './errors.ts'
import { SERVICE_KEY_ID } from './master-key.ts'
import { decodeWrappedKey, encodeWrappedKey } from './wrapped-key.ts'

export interface CryptoServiceOptions {
  readonly mesh: Mesh
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const BUCKET_KEY_REF = 'bk:'

/** The crypto engine: object keys sealed under bucket keys, metadata keys wrapped by the KMS. */
export function createCryptoService(options: CryptoServiceOptions): CryptoService {
  const { mesh } = options
  const kms = mesh.use('kms')
  const metadata = mesh.use('metadata')
  const bucketKeys = new BucketKeys({ mesh, kms, metadata, now: options.now ?? Date.now })

  const sealUnderCurrent = async (objectKey: Secret, context: SealContext): Promise<StoredObjectKey> => {
    const { id, key } = await bucketKeys.current(context.bucketId)
    return { keyRef: BUCKET_KEY_REF + id, sealed: sealObjectKey(objectKey, key, context) }
  }
  const open = async (stored: StoredObjectKey, context: SealContext): Promise<Secret> => {
    if (!stored.keyRef.startsWith(BUCKET_KEY_REF)) {
      throw engineError('ENGINE_BUCKET_KEY_NOT_FOUND', { bucketKeyId: stored.keyRef })
    }
    const { key } = await bucketKeys.get(stored.keyRef.slice(BUCKET_KEY_REF.length))
    return openObjectKey(stored.sealed, key, context)
  }

  return {
    async issueObjectKey(context, recipient) {
      const objectKey = generateObjectKey()
      const stored = await sealUnderCurrent(objectKey, context)
      return { objectKey: mesh.parcel(objectKey, recipient, 'object-key', context), stored }
    },
    async openObjectKey(stored, context, recipient) {
      return mesh.parcel(await open(stored, context), recipient, 'object-key', context)
    },
    async resealObjectKey(stored, from, to) {
      const objectKey = await open(stored, from)
      try {
        return await sealUnderCurrent(objectKey, to)
      } finally {
        objectKey.wipe()
      }
    },
    async issueMetadataKey(bucketId, recipient) {
      // The newest version is asked for first, which also makes the master key at its first use.
      await bucketKeys.current(bucketId)
      const made = await kms.generateDataKey(SERVICE_KEY_ID, metadataKeyContext(bucketId), mesh.recipient())
      const key = mesh.unparcel(made.plaintext, 'data-key', metadataKeyContext(bucketId))
      return {
        metadataKey: mesh.parcel(key, recipient, 'metadata-key', bucketId),
        wrapped: encodeWrappedKey(made.wrapped),
      }
    },
    async openMetadataKey(bucketId, wrapped, recipient) {
      const parcel = await kms.decrypt(decodeWrappedKey(wrapped), metadataKeyContext(bucketId), mesh.recipient())
      const key = mesh.unparcel(parcel, 'data-key', metadataKeyContext(bucketId))
      return mesh.parcel(key, recipient, 'metadata-key', bucketId)
    },
  }
}

function metadataKeyContext(bucketId: string): Record<string, string> {
  return { purpose: 'metadata-key', bucket: bucketId }
}
