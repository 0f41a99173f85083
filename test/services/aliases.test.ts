import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ServiceProcess, startServices, temporaryDirectory } from './one-process.ts'

const BUCKET = 'b'.repeat(32)
const contextOf = (key: string) => ({
  bucketId: BUCKET,
  key,
  versionId: '1'.repeat(32),
  algorithm: 'AES-256-GCM' as const,
})
/** How long the crypto engine may rely on what it knows of a key (services/crypto, LEASE_MS). */
const LEASE_MS = 900

describe('aliases of master keys', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>
  let services: ServiceProcess
  let other: ServiceProcess
  let now: number

  beforeEach(async () => {
    now = Date.now()
    directory = await temporaryDirectory()
    services = await startServices(directory.path, () => now)
    other = await startServices(directory.path)
    for (const key of ['blue', 'green']) await services.mesh.use('kms').createKey(key)
  })
  afterEach(async () => {
    await services.stop()
    await other.stop()
    await directory.remove()
  })

  it('name a key wherever a key is named, in every process at once', async () => {
    const kms = services.mesh.use('kms')
    await kms.createAlias('alias/team/a', 'blue')
    expect(await other.mesh.use('kms').describeKey('alias/team/a')).toMatchObject({ connector: 'local', keyId: 'blue' })
    await other.mesh.use('kms').updateAlias('alias/team/a', 'local/green')
    expect(await kms.rotateKey('alias/team/a')).toMatchObject({ keyId: 'green', currentVersion: 2 })
    const { wrapped } = await kms.generateDataKey('alias/team/a', {}, services.mesh.recipient())
    expect(wrapped).toMatchObject({ connector: 'local', keyId: 'green', keyVersion: 2 })
    expect(await kms.rewrap(wrapped, {}, 'alias/team/a')).toMatchObject({ keyId: 'green' })
    await kms.deleteAlias('alias/team/a')
    await expect(other.mesh.use('kms').describeKey('alias/team/a')).rejects.toMatchObject({
      code: 'KMS_ALIAS_NOT_FOUND',
    })
  })

  it('leave what they sealed with its key when they are repointed, and seal the new under the other', async () => {
    const kms = services.mesh.use('kms')
    const crypto = services.mesh.use('crypto')
    await kms.createAlias('alias/a', 'blue')
    const issue = async (key: string, bucketKeyEnabled: boolean) =>
      (await crypto.issueObjectKey(contextOf(key), services.mesh.recipient(), { keyName: 'alias/a', bucketKeyEnabled }))
        .stored
    const before = [await issue('one', true), await issue('two', false)]
    expect(before[0]?.keyRef).toContain(`bk:${BUCKET}/local/blue/`)
    expect(before[1]?.keyRef).toBe('kms:local/blue/1')
    expect(before.map(({ keyName }) => keyName)).toEqual(['local/blue', 'local/blue'])
    await kms.updateAlias('alias/a', 'green')
    now += LEASE_MS + 1
    const after = [await issue('one', true), await issue('two', false)]
    expect(after.map(({ keyName }) => keyName)).toEqual(['local/green', 'local/green'])
    expect(after[0]?.keyRef).toContain(`bk:${BUCKET}/local/green/`)
    expect(after[1]?.keyRef).toBe('kms:local/green/1')
    for (const [index, key] of ['one', 'two'].entries()) {
      const stored = before[index] ?? { keyRef: '', sealed: new Uint8Array(0) }
      await crypto.openObjectKey(stored, contextOf(key), services.mesh.recipient())
    }
  })

  it('never make a bucket key of one master key under the name of another, though repointed within the lease', async () => {
    const kms = services.mesh.use('kms')
    const crypto = services.mesh.use('crypto')
    await kms.createAlias('alias/a', 'blue')
    const use = { keyName: 'alias/a', bucketKeyEnabled: true }
    await crypto.issueObjectKey(contextOf('k'), services.mesh.recipient(), use)
    await kms.updateAlias('alias/a', 'green')
    // Another bucket, so that a bucket key has to be made while the engine still knows the alias as it was.
    const elsewhere = { ...contextOf('k'), bucketId: 'c'.repeat(32) }
    const { stored } = await crypto.issueObjectKey(elsewhere, services.mesh.recipient(), use)
    const keys = await crypto.listBucketKeys({ afterId: '', limit: 10 })
    const made = keys.find(({ id }) => `bk:${id}` === stored.keyRef)
    expect(made?.id).toContain(`/${made?.connector}/${made?.keyId}/`)
  })

  it('are listed in order, page by page, of all keys or of one', async () => {
    const kms = services.mesh.use('kms')
    for (const name of ['c', 'a', 'b']) await kms.createAlias(`alias/${name}`, name === 'b' ? 'green' : 'blue')
    const names = async (query: { keyId?: string; afterAlias: string; limit: number }) =>
      (await kms.listAliases(query)).map(({ alias }) => alias)
    expect(await names({ afterAlias: '', limit: 2 })).toEqual(['alias/a', 'alias/b'])
    expect(await names({ afterAlias: 'alias/b', limit: 2 })).toEqual(['alias/c'])
    expect(await names({ keyId: 'blue', afterAlias: '', limit: 10 })).toEqual(['alias/a', 'alias/c'])
  })

  it('are refused where they could be mistaken, where they are taken, and past 50 for a key', async () => {
    const kms = services.mesh.use('kms')
    for (const alias of ['alias/', 'alias/aws/mine', 'payments', 'alias/a b', `alias/${'x'.repeat(251)}`]) {
      await expect(kms.createAlias(alias, 'blue')).rejects.toMatchObject({ code: 'KMS_ALIAS_INVALID' })
    }
    await kms.createAlias('alias/0', 'blue')
    await expect(kms.createAlias('alias/0', 'green')).rejects.toMatchObject({ code: 'KMS_ALIAS_EXISTS' })
    await expect(kms.createAlias('alias/x', 'nothing')).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
    await expect(kms.updateAlias('alias/x', 'blue')).rejects.toMatchObject({ code: 'KMS_ALIAS_NOT_FOUND' })
    for (let count = 1; count < 50; count++) await kms.createAlias(`alias/${count}`, 'blue')
    await expect(kms.createAlias('alias/50', 'blue')).rejects.toMatchObject({ code: 'KMS_LIMIT_EXCEEDED' })
    // An update that changes nothing needs no room.
    await kms.updateAlias('alias/0', 'blue')
  })

  it('are unreadable on the disk, and one put in the place of another is found out', async () => {
    const kms = services.mesh.use('kms')
    await kms.createAlias('alias/a', 'blue')
    await kms.createAlias('alias/b', 'green')
    const record = await services.store.findRecord('keys', 'alias/b')
    expect(Buffer.from(record?.value ?? []).toString('latin1')).not.toContain('green')
    await services.store.putRecord('keys', 'alias/a', record?.value ?? new Uint8Array(0))
    await expect(kms.describeKey('alias/a')).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
  })
})
