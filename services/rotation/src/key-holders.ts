import type { BucketKeyDescription, WrappingKey } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'
import type { BucketRecord } from '@coffer/metadata-store'

const PAGE = 500

/** A bucket and the master key that wraps its metadata key. */
export interface WrappedBucket {
  readonly bucket: BucketRecord
  readonly wrappedBy: WrappingKey
}

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

export async function* allBuckets(mesh: Mesh): AsyncGenerator<WrappedBucket> {
  const [metadata, crypto] = [mesh.use('metadata'), mesh.use('crypto')]
  for (const { accountId: ownerAccountId } of await mesh.use('iam').listAccounts()) {
    let afterName: string | undefined = ''
    while (afterName !== undefined) {
      const page = await metadata.listBuckets({ ownerAccountId, prefix: '', afterName, limit: PAGE })
      for (const bucket of page.buckets) {
        yield { bucket, wrappedBy: await crypto.describeMetadataKey(bucket.wrappedMetadataKey) }
      }
      afterName = page.next
    }
  }
}

export function isWrappedBy(
  wrapped: WrappingKey,
  key: { readonly connector: string; readonly keyId: string },
): boolean {
  return wrapped.connector === key.connector && wrapped.keyId === key.keyId
}
