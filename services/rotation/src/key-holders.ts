import type { BucketKeyDescription } from '@coffer/contracts'
import type { WrappingKey } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import type { BucketRecord } from '@coffer/metadata-store'

const PAGE = 500

/** Every bucket key, page by page: memory stays bounded. */
export async function* allBucketKeys(mesh: Mesh): AsyncGenerator<BucketKeyDescription> {
  const crypto = mesh.use('crypto')
  for (let afterId = ''; ; ) {
    const page = await crypto.listBucketKeys({ afterId, limit: PAGE })
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    afterId = last.id
  }
}

/** The id of the bucket that a bucket key belongs to: its own begins with it. */
export function bucketOfKey(bucketKeyId: string): string {
  return bucketKeyId.slice(0, bucketKeyId.indexOf('/'))
}

export async function* allBuckets(mesh: Mesh): AsyncGenerator<BucketRecord> {
  const metadata = mesh.use('metadata')
  for (const { accountId: ownerAccountId } of await mesh.use('iam').listAccounts()) {
    let afterName: string | undefined = ''
    while (afterName !== undefined) {
      const page = await metadata.listBuckets({ ownerAccountId, prefix: '', afterName, limit: PAGE })
      yield* page.buckets
      afterName = page.next
    }
  }
}

export function isWrappedBy(wrapped: WrappingKey, key: Pick<WrappingKey, 'connector' | 'keyId'>): boolean {
  return wrapped.connector === key.connector && wrapped.keyId === key.keyId
}
