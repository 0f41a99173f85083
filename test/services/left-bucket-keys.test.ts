import type { SealContext } from '@coffer/crypto-core'
import { describe, expect, it } from 'vitest'
import { type ServiceProcess, twoProcessesForEach } from './one-process.ts'

const nothing = new Uint8Array(0)
const contextOf = (bucketId: string): SealContext => ({
  ...{ bucketId, key: 'k', versionId: '1'.repeat(32), algorithm: 'AES-256-GCM' },
})

describe('bucket keys of a bucket that is deleted', () => {
  let services: ServiceProcess
  let other: ServiceProcess
  twoProcessesForEach((...started) => {
    ;[services, other] = started
  })

  const newBucket = async (name: string, id: string) => {
    const bucket = { name, id, createdAt: 0, versioning: 'unversioned', ownerAccountId: '111122223333' } as const
    await services.store.createBucket({ ...bucket, sealed: nothing, wrappedMetadataKey: nothing })
  }
  const issue = async (bucketId: string, { mesh }: ServiceProcess = services, keyName?: string) =>
    (
      await mesh
        .use('crypto')
        .issueObjectKey(
          contextOf(bucketId),
          mesh.recipient(),
          keyName ? { keyName, bucketKeyEnabled: true } : undefined,
        )
    ).stored
  const keysOf = async (bucketId: string) =>
    (await services.store.listRecords('bucket-keys', { prefix: `${bucketId}/`, afterId: '', limit: 99 })).length
  const [gone, empty, busy, later] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(32)) as [
    string,
    string,
    string,
    string,
  ]

  it('are erased with it, all of them, and none of a bucket that is there, though it is empty', async () => {
    const crypto = services.mesh.use('crypto')
    await services.mesh.use('kms').createKey('mine', {})
    await newBucket('gone', gone)
    await newBucket('empty', empty)
    for (const id of [gone, empty]) for (const key of [undefined, 'mine']) await issue(id, services, key)
    expect(await crypto.removeBucketKeys(gone)).toBe(0)
    expect(await crypto.removeBucketKeys(empty)).toBe(0)
    await services.store.deleteBucket('gone', gone)
    expect(await crypto.removeBucketKeys(gone)).toBe(2)
    expect([await keysOf(gone), await keysOf(empty)]).toEqual([0, 2])
  })

  it('open nothing any more, not even what somebody has kept, once they are not cached', async () => {
    await newBucket('gone', gone)
    const stored = await issue(gone)
    await services.store.deleteBucket('gone', gone)
    await services.mesh.use('crypto').removeBucketKeys(gone)
    const { mesh } = other
    const opening = mesh.use('crypto').openObjectKey(stored, contextOf(gone), mesh.recipient())
    await expect(opening).rejects.toMatchObject({ code: 'ENGINE_BUCKET_KEY_NOT_FOUND' })
  })

  it('are other ones when a bucket of the name is made anew', async () => {
    await newBucket('again', gone)
    const before = await issue(gone)
    await services.store.deleteBucket('again', gone)
    await services.mesh.use('crypto').removeBucketKeys(gone)
    await newBucket('again', later)
    const after = await issue(later)
    expect(after.keyRef).not.toBe(before.keyRef)
    const { mesh } = services
    // Put into the new bucket's records by whoever has the disk.
    const moved = { ...before, keyRef: after.keyRef }
    const opening = mesh.use('crypto').openObjectKey(moved, contextOf(later), mesh.recipient())
    await expect(opening).rejects.toMatchObject({ code: /^CRYPTO_/ })
  })

  it('that a write makes after the deletion are found later, and what it would seal is not committed', async () => {
    await newBucket('gone', gone)
    await newBucket('empty', empty)
    await newBucket('busy', busy)
    for (const id of [gone, empty, busy]) await issue(id)
    await services.store.deleteBucket('gone', gone)
    await services.mesh.use('crypto').removeBucketKeys(gone)
    // In a process that has not heard of it.
    const { keyRef, sealed } = await issue(gone, other)
    expect(await keysOf(gone)).toBe(1)
    const version = {
      ...{ key: 'k', versionId: '1'.repeat(32), isNull: true, isDeleteMarker: false, lastModifiedAt: 0 },
      ...{ sizeBytes: 0, keyRef, sealed, summary: nothing },
    }
    const body = { kind: 'inline', bytes: nothing } as const
    const commit = services.store.commitVersion({ bucketId: gone, bucketRevision: 1, version, body })
    await expect(commit).rejects.toMatchObject({ code: 'META_BUCKET_CHANGED' })
    const crypto = services.mesh.use('crypto')
    let removedCount = 0
    for (let afterId: string | undefined = ''; afterId !== undefined; ) {
      const page: { removedCount: number; next?: string } = await crypto.removeLeftBucketKeys({ afterId, limit: 1 })
      removedCount += page.removedCount
      afterId = page.next
    }
    expect(removedCount).toBe(1)
    expect([await keysOf(gone), await keysOf(empty), await keysOf(busy)]).toEqual([0, 1, 1])
  })
})
