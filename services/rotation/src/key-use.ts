import type { BucketKeyDescription, KeyUse, KeyVersionUse, LocatedKey } from '@coffer/contracts'
import { directKeyRef } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import { allBucketKeys, allBuckets, bucketOfKey, isWrappedBy } from './key-holders.ts'

type Counted = { -readonly [Field in keyof KeyVersionUse]: KeyVersionUse[Field] }

/**
 * What needs which version of a master key, from counters that every commit keeps: it costs one look-up for a bucket key,
 * however many objects are sealed under it.
 */
export async function keyUse(mesh: Mesh, keyName: string): Promise<KeyUse> {
  const key = await mesh.use('kms').describeKey(keyName)
  const versions = new Map<number, Counted>()
  const useOf = (version: number): Counted => {
    const known = versions.get(version)
    if (known !== undefined) return known
    const use = { version, objectCount: 0, bucketKeyCount: 0, bucketCount: 0, wrapsIdentities: false }
    versions.set(version, use)
    return use
  }
  const isNeeded = needOfBucketKeys(mesh)
  for await (const bucketKey of allBucketKeys(mesh)) {
    if (!isWrappedBy(bucketKey, key) || !(await isNeeded(bucketKey))) continue
    const use = useOf(bucketKey.keyVersion)
    use.bucketKeyCount += 1
    use.objectCount += bucketKey.objectCount
  }
  for await (const { wrappedMetadataKey } of allBuckets(mesh)) {
    const wrappedBy = await mesh.use('crypto').describeMetadataKey(wrappedMetadataKey)
    if (isWrappedBy(wrappedBy, key)) useOf(wrappedBy.keyVersion).bucketCount += 1
  }
  const identities = await mesh.use('iam').describeSealingKey()
  if (identities !== undefined && isWrappedBy(identities, key)) useOf(identities.keyVersion).wrapsIdentities = true
  for (const { version } of key.versions) {
    const objectCount = await directObjectCount(mesh, key, version)
    if (objectCount > 0) useOf(version).objectCount += objectCount
  }
  const ascending = [...versions.values()].sort((a, b) => a.version - b.version)
  return { connector: key.connector, keyId: key.keyId, versions: ascending }
}

/**
 * Whether anything could be sealed under a bucket key. The counter alone does not tell: it knows nothing of the outer layers of DSSE-KMS
 * and of uploads begun by older versions, which are in the same bucket. One that is empty, or gone, has left its bucket keys behind.
 */
function needOfBucketKeys(mesh: Mesh): (bucketKey: BucketKeyDescription) => Promise<boolean> {
  // Bucket keys come bucket by bucket: each is looked into once.
  let last = { bucketId: '', holds: false }
  return async ({ id, objectCount }) => {
    if (objectCount > 0) return true
    const bucketId = bucketOfKey(id)
    if (last.bucketId !== bucketId) last = { bucketId, holds: await holdsAnything(mesh, bucketId) }
    return last.holds
  }
}

async function holdsAnything(mesh: Mesh, bucketId: string): Promise<boolean> {
  const metadata = mesh.use('metadata')
  const anything = { bucketId, prefix: '', delimiter: '', afterKey: '', limit: 1 }
  if ((await metadata.listVersions(anything)).entries.length > 0) return true
  return (await metadata.listUploads({ ...anything, afterUploadId: '' })).uploads.length > 0
}

/** Objects sealed under data keys that this version wraps for each of them alone (SSE-KMS without a bucket key). */
export function directObjectCount(mesh: Mesh, key: LocatedKey, version: number): Promise<number> {
  return mesh.use('metadata').getKeyUse(directKeyRef({ ...key, keyVersion: version }))
}
