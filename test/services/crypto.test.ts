import type { SealContext } from '@coffer/crypto-core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ServiceProcess, startServices, temporaryDirectory } from './one-process.ts'

const BUCKET = 'b'.repeat(32)
const NOON = Date.UTC(2026, 10, 23, 12)

function contextOf(key: string): SealContext {
  return { bucketId: BUCKET, key, versionId: '1'.repeat(32), algorithm: 'AES-256-GCM' }
}

describe('the crypto engine', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>
  let one: ServiceProcess
  let another: ServiceProcess
  let nowMs = NOON

  beforeEach(async () => {
    nowMs = NOON
    directory = await temporaryDirectory()
    one = await startServices(directory.path, () => nowMs)
    another = await startServices(directory.path, () => nowMs)
  })
  afterEach(async () => {
    await one.stop()
    await another.stop()
    await directory.remove()
  })

  const issue = async ({ mesh }: ServiceProcess, key: string) => {
    const { objectKey, stored } = await mesh.use('crypto').issueObjectKey(contextOf(key), mesh.recipient())
    return { objectKey: mesh.unparcel(objectKey, 'object-key'), stored }
  }

  it('opens in another process what one has sealed, for the same object only', async () => {
    const { objectKey, stored } = await issue(one, 'k')
    const crypto = another.mesh.use('crypto')
    const parcel = await crypto.openObjectKey(stored, contextOf('k'), another.mesh.recipient())
    expect(another.mesh.unparcel(parcel, 'object-key').equals(objectKey)).toBe(true)
    for (const foreign of [contextOf('other'), { ...contextOf('k'), versionId: '2'.repeat(32) }]) {
      const refused = crypto.openObjectKey(stored, foreign, another.mesh.recipient())
      await expect(refused).rejects.toMatchObject({ code: 'CRYPTO_DAMAGED' })
    }
    const elsewhere = { ...contextOf('k'), bucketId: 'c'.repeat(32) }
    await expect(crypto.openObjectKey(stored, elsewhere, another.mesh.recipient())).rejects.toThrow()
  })

  it('gives every object version a key of its own', async () => {
    const [first, second] = [await issue(one, 'k'), await issue(one, 'k')]
    expect(first.objectKey.equals(second.objectKey)).toBe(false)
  })

  it('asks the KMS once for a bucket key, however many objects are sealed at once', async () => {
    await Promise.all(Array.from({ length: 200 }, (_, index) => issue(one, `k${index}`)))
    expect(one.kmsCalls.filter((name) => name === 'generateDataKey')).toHaveLength(1)
    one.kmsCalls.length = 0
    await Promise.all(Array.from({ length: 200 }, (_, index) => issue(one, `m${index}`)))
    expect(one.kmsCalls).toEqual([])
  })

  it('uses one bucket key in all processes, even if both make it at once', async () => {
    const issued = await Promise.all([issue(one, 'k'), issue(another, 'k')])
    expect(issued[0].stored.keyRef).toBe(issued[1].stored.keyRef)
  })

  it('takes a new bucket key each day, and soon after a rotation of the master key', async () => {
    const today = await issue(one, 'k')
    nowMs += 24 * 3600 * 1000
    const tomorrow = await issue(one, 'k')
    await one.mesh.use('kms').rotateKey('coffer')
    nowMs += 2000
    const rotated = await issue(one, 'k')
    const refs = [today, tomorrow, rotated].map(({ stored }) => stored.keyRef)
    expect(new Set(refs).size).toBe(3)
    expect(rotated.stored.keyRef).toMatch(/-2$/)
    const parcel = await another.mesh
      .use('crypto')
      .openObjectKey(today.stored, contextOf('k'), another.mesh.recipient())
    expect(another.mesh.unparcel(parcel, 'object-key').equals(today.objectKey)).toBe(true)
  })

  it('names a bucket key for the version that wraps it, even in the moment of a rotation', async () => {
    await issue(one, 'k')
    await another.mesh.use('kms').rotateKey('coffer')
    const context = { ...contextOf('k'), bucketId: 'c'.repeat(32) }
    const { stored } = await one.mesh.use('crypto').issueObjectKey(context, one.mesh.recipient())
    const record = await one.store.findRecord('bucket-keys', stored.keyRef.slice('bk:'.length))
    expect(JSON.parse(Buffer.from(record?.value ?? []).toString())).toMatchObject({ keyVersion: 2 })
    expect(stored.keyRef).toMatch(/-2$/)
    await one.mesh.use('crypto').openObjectKey(stored, context, one.mesh.recipient())
  })

  it('re-seals an object key for another version without changing it', async () => {
    const { objectKey, stored } = await issue(one, 'k')
    const crypto = one.mesh.use('crypto')
    const moved = { ...contextOf('k'), versionId: '3'.repeat(32) }
    const resealed = await crypto.resealObjectKey(stored, contextOf('k'), moved)
    const parcel = await crypto.openObjectKey(resealed, moved, one.mesh.recipient())
    expect(one.mesh.unparcel(parcel, 'object-key').equals(objectKey)).toBe(true)
  })

  it('opens a metadata key for its own bucket only', async () => {
    const crypto = one.mesh.use('crypto')
    const { metadataKey, wrapped } = await crypto.issueMetadataKey(BUCKET, one.mesh.recipient())
    const opened = await crypto.openMetadataKey(BUCKET, wrapped, one.mesh.recipient())
    const key = one.mesh.unparcel(metadataKey, 'metadata-key')
    expect(one.mesh.unparcel(opened, 'metadata-key').equals(key)).toBe(true)
    const foreign = crypto.openMetadataKey('c'.repeat(32), wrapped, one.mesh.recipient())
    await expect(foreign).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
  })

  it('names a bucket key that is not there', async () => {
    const { stored } = await issue(one, 'k')
    const unknown = { ...stored, keyRef: `bk:${BUCKET}/20200101-1` }
    const refused = one.mesh.use('crypto').openObjectKey(unknown, contextOf('k'), one.mesh.recipient())
    await expect(refused).rejects.toMatchObject({ code: 'ENGINE_BUCKET_KEY_NOT_FOUND' })
  })

  it('opens nothing with a data key that was wrapped for an object of another bucket', async () => {
    const { mesh } = one
    await mesh.use('kms').createKey('moved')
    const masterKey = { keyName: 'moved', bucketKeyEnabled: false }
    for (const algorithm of ['AES-256-GCM', 'AES-256-GCM-DUAL'] as const) {
      const context = { ...contextOf('k'), algorithm }
      const { stored } = await mesh.use('crypto').issueObjectKey(context, mesh.recipient(), masterKey)
      await expect(mesh.use('crypto').openObjectKey(stored, context, mesh.recipient())).resolves.toBeDefined()
      for (const foreign of [{ bucketId: 'c'.repeat(32) }, { key: 'other' }, { versionId: '2'.repeat(32) }]) {
        const opening = mesh.use('crypto').openObjectKey(stored, { ...context, ...foreign }, mesh.recipient())
        await expect(opening).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
      }
    }
  })
})
