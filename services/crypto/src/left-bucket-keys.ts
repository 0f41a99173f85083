import type { MetadataService } from '@coffer/contracts'
import { bucketKeyRef } from '@coffer/kms'

const PAGE = 500

/**
 * Erases the bucket keys of a bucket that is gone: with it went everything that they seal, and what is on its way to it is refused by its commit. That
 * nothing is under them is looked for all the same, in three ways: without its key an object is lost.
 */
export async function removeBucketKeys(metadata: MetadataService, bucketId: string): Promise<number> {
  if ((await metadata.hasBucket(bucketId)) || (await holdsAnything(metadata, bucketId))) return 0
  for (let removedCount = 0; ; ) {
    const page = await metadata.listRecords('bucket-keys', { prefix: `${bucketId}/`, afterId: '', limit: PAGE })
    for (const { id } of page) if ((await metadata.getKeyUse(bucketKeyRef(id))) > 0) return removedCount
    if (page.length > 0) {
      await metadata.changeRecords(
        'bucket-keys',
        page.map(({ id }) => ({ id })),
      )
    }
    removedCount += page.length
    if (page.length < PAGE) return removedCount
  }
}

/** What a write that was under way left after its bucket, or a process that ended in between. One look-up for each bucket. */
export async function removeLeftBucketKeys(
  metadata: MetadataService,
  { afterId, limit }: { afterId: string; limit: number },
): Promise<{ removedCount: number; next?: string }> {
  let removedCount = 0
  let after = afterId
  for (let bucketCount = 0; bucketCount < limit; bucketCount++) {
    const [first] = await metadata.listRecords('bucket-keys', { prefix: '', afterId: after, limit: 1 })
    if (first === undefined) return { removedCount }
    const bucketId = first.id.slice(0, first.id.indexOf('/'))
    removedCount += await removeBucketKeys(metadata, bucketId)
    // The character after the slash: behind all that begin with the bucket's id and a slash.
    after = `${bucketId}0`
  }
  return { removedCount, next: after }
}

async function holdsAnything(metadata: MetadataService, bucketId: string): Promise<boolean> {
  const anything = { bucketId, prefix: '', delimiter: '', afterKey: '', limit: 1 }
  if ((await metadata.listVersions(anything)).entries.length > 0) return true
  return (await metadata.listUploads({ ...anything, afterUploadId: '' })).uploads.length > 0
}
