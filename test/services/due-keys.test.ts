import type { PlacedBlobStore } from '@coffer/blob-store'
import type { JobQueue } from '@coffer/job-queue'
import { createRotationService, provideRotation } from '@coffer/service-rotation'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ServiceProcess, startServices, temporaryDirectory } from './one-process.ts'

const BUCKET = 'b'.repeat(32)
const EIGHT_DAYS_MS = 8 * 24 * 3600 * 1000

/** With an upload whose record, of an older version, does not tell which key it needs. */
async function bucketWithUpload({ store }: ServiceProcess): Promise<void> {
  const nothing = new Uint8Array(0)
  const of = { ownerAccountId: '111122223333', sealed: nothing }
  const bucket = {
    ...of,
    name: 'held',
    id: BUCKET,
    createdAt: 0,
    versioning: 'unversioned',
    wrappedMetadataKey: nothing,
  } as const
  await store.createBucket(bucket)
  await store.createUpload(BUCKET, 1, { ...of, key: 'k', uploadId: '1'.repeat(32), initiatedAt: 0, keyRef: '' })
}

describe('keys whose deletion is due', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>
  let services: ServiceProcess

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    directory = await temporaryDirectory()
    services = await startServices(directory.path)
    const blobs = {} as PlacedBlobStore
    await provideRotation(services.mesh, createRotationService({ mesh: services.mesh, blobs, queue: {} as JobQueue }))
  })
  afterEach(async () => {
    vi.useRealTimers()
    await services.stop()
    await directory.remove()
  })

  it('are erased if nothing needs them, and kept if something came to need them all the same', async () => {
    const kms = services.mesh.use('kms')
    for (const key of ['spare', 'needed', 'later']) await kms.createKey(key)
    for (const key of ['spare', 'needed']) {
      await kms.createAlias(`alias/${key}`, key)
      await kms.tagKey(key, [{ key: 'team', value: 'blue' }])
      await kms.scheduleKeyDeletion(key, 7)
    }
    await kms.scheduleKeyDeletion('later', 30)
    // A write that was on its way when the deletion was scheduled.
    await bucketWithUpload(services)
    const id = `${BUCKET}/local/needed/20261123-1`
    const wrapped = { format: 1, connector: 'local', keyId: 'needed', keyVersion: 1, ciphertext: 'AAAA' }
    await services.store.putRecord('bucket-keys', id, Buffer.from(JSON.stringify(wrapped)), 0)
    // A bucket that is gone has left its bucket key behind.
    const left = { ...wrapped, keyId: 'spare' }
    const leftId = `${'c'.repeat(32)}/local/spare/20261123-1`
    await services.store.putRecord('bucket-keys', leftId, Buffer.from(JSON.stringify(left)), 0)
    expect(await kms.destroyDueKeys()).toEqual({ destroyed: [], stillNeeded: [] })
    vi.setSystemTime(Date.now() + EIGHT_DAYS_MS)
    expect(await kms.destroyDueKeys()).toEqual({ destroyed: ['local/spare'], stillNeeded: ['local/needed'] })
    const states = (await kms.listKeys({ afterKeyId: '', limit: 10 })).map(({ keyId, state }) => [keyId, state])
    expect(states).toEqual([
      ['later', 'pending-deletion'],
      ['needed', 'pending-deletion'],
      ['spare', 'destroyed'],
    ])
    expect(await kms.destroyDueKeys()).toMatchObject({ destroyed: [] })
    // With a key go its aliases and tags; those of one that is kept stay.
    expect((await kms.listAliases({ afterAlias: '', limit: 10 })).map(({ alias }) => alias)).toEqual(['alias/needed'])
    expect(await services.store.findRecord('keys', 'settings/local/spare')).toBeUndefined()
    expect((await kms.describeSettings('needed')).tags).toHaveLength(1)
  })

  it('are never scheduled while something needs them', async () => {
    const { mesh } = services
    const context = { bucketId: BUCKET, key: 'k', versionId: '1'.repeat(32), algorithm: 'AES-256-GCM' as const }
    await bucketWithUpload(services)
    await mesh.use('crypto').issueObjectKey(context, mesh.recipient())
    await expect(mesh.use('kms').scheduleKeyDeletion('coffer', 7)).rejects.toMatchObject({ code: 'KMS_KEY_IN_USE' })
  })
})
