import type { BucketKeyDescription, KmsService, MetadataService } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { bucketKeyRef, type WrappingKey, wrappingKeyOf } from '@coffer/kms'
import { bucketKeyContext } from './bucket-key-context.ts'
import { engineError } from './errors.ts'
import { decodeWrappedKey, encodeWrappedKey } from './wrapped-key.ts'

const ATTEMPTS_MAX = 16

/** Bucket keys as they are stored: which master key wraps each, and how many object keys each seals. */
export async function listBucketKeys(
  metadata: MetadataService,
  afterId: string,
  limit: number,
): Promise<readonly BucketKeyDescription[]> {
  const records = await metadata.listRecords('bucket-keys', { prefix: '', afterId, limit })
  return Promise.all(
    records.map(async ({ id, value }) => ({
      id,
      ...wrappingKeyOf(decodeWrappedKey(value)),
      objectCount: await metadata.getKeyUse(bucketKeyRef(id)),
    })),
  )
}

/** ENGINE_BUCKET_KEY_NOT_FOUND. */
export async function describeBucketKey(metadata: MetadataService, id: string): Promise<WrappingKey> {
  const record = await metadata.findRecord('bucket-keys', id)
  if (record === undefined) throw engineError('ENGINE_BUCKET_KEY_NOT_FOUND', { bucketKeyId: id })
  return wrappingKeyOf(decodeWrappedKey(record.value))
}

/** Another process may rewrap the same key meanwhile: the last one counts, and each of them opens. */
export async function rewrapBucketKey(
  { kms, metadata }: { kms: KmsService; metadata: MetadataService },
  id: string,
  keyName: string,
): Promise<WrappingKey> {
  for (let attempt = 1; ; attempt++) {
    const record = await metadata.findRecord('bucket-keys', id)
    if (record === undefined) throw engineError('ENGINE_BUCKET_KEY_NOT_FOUND', { bucketKeyId: id })
    const rewrapped = await kms.rewrap(decodeWrappedKey(record.value), bucketKeyContext(id), keyName)
    try {
      await metadata.putRecord('bucket-keys', id, encodeWrappedKey(rewrapped), record.revision)
      return wrappingKeyOf(rewrapped)
    } catch (error) {
      if (!isCofferError(error, 'META_RECORD_CHANGED') || attempt === ATTEMPTS_MAX) throw error
    }
  }
}
