import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { insecureExportKeyBytes } from '@coffer/crypto-core'
import { deriveSigningKey } from '@coffer/s3-protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ServiceProcess, startServices, temporaryDirectory } from './one-process.ts'

const SCOPE = { date: '20261123', region: 'us-east-1', service: 's3' }
const ROOT = { accessKeyId: 'root-key', secretAccessKey: 'root-secret-1' }

describe('iam', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>
  let one: ServiceProcess
  let another: ServiceProcess

  beforeEach(async () => {
    directory = await temporaryDirectory()
    one = await startServices(directory.path)
    another = await startServices(directory.path)
  })
  afterEach(async () => {
    await one.stop()
    await another.stop()
    await directory.remove()
  })

  const iam = () => one.mesh.use('iam')
  const create = async (name: string, { mesh }: ServiceProcess = one) => {
    const { account, accessKeyId, secretAccessKey } = await mesh.use('iam').createAccount(name, mesh.recipient())
    const secret = insecureExportKeyBytes(mesh.unparcel(secretAccessKey, 'secret-access-key'))
    return { account, accessKey: { accessKeyId, secretAccessKey: Buffer.from(secret).toString() } }
  }
  /** As if the process were killed before it writes an account. */
  const cutShort = async (making: () => Promise<unknown>) => {
    const { store } = one
    const changeRecords = store.changeRecords.bind(store)
    let cut = true
    store.changeRecords = async (table, changes) => {
      if (cut && changes.some(({ id }) => id.startsWith('account/'))) throw new Error('killed')
      return changeRecords(table, changes)
    }
    await expect(making()).rejects.toThrow('killed')
    cut = false
  }
  const signingKey = async (accessKeyId: string, { mesh }: ServiceProcess = one) => {
    const found = await mesh.use('iam').findSigningKey({ accessKeyId, ...SCOPE }, mesh.recipient())
    return found && { ...found, bytes: insecureExportKeyBytes(mesh.unparcel(found.signingKey, 'signing-key')) }
  }

  it('gives the day key of an access key, and whose it is, but never the secret', async () => {
    const { account, accessKey } = await create('alice')
    const found = await signingKey(accessKey.accessKeyId, another)
    const expected = deriveSigningKey(Buffer.from(accessKey.secretAccessKey), SCOPE.date, SCOPE.region, SCOPE.service)
    expect(Buffer.from(found?.bytes ?? []).equals(expected)).toBe(true)
    expect(found?.principal).toMatchObject({ accountId: account.accountId, canonicalId: account.canonicalId })
    expect(JSON.stringify(found)).not.toContain(accessKey.secretAccessKey)
  })

  it('knows no access key of another spelling', async () => {
    const { accessKey } = await create('alice')
    const others = [accessKey.accessKeyId.toLowerCase(), '', '../account', 'x'.repeat(5000), 'a/b', '\0']
    for (const accessKeyId of others) expect(await signingKey(accessKeyId)).toBeUndefined()
  })

  it('makes the root account once, and replaces its key when another is given', async () => {
    const first = await iam().ensureRootAccount(ROOT)
    const again = await another.mesh.use('iam').ensureRootAccount(ROOT)
    expect(again).toEqual(first)
    const replaced = await iam().ensureRootAccount({ accessKeyId: 'new-key', secretAccessKey: 'new-secret-1' })
    expect(replaced.accountId).toBe(first.accountId)
    expect(await signingKey('root-key')).toBeUndefined()
    expect(await signingKey('new-key')).toBeDefined()
    expect(await iam().hasRootAccount()).toBe(true)
  })

  it('takes a changed secret of the same root access key', async () => {
    await iam().ensureRootAccount(ROOT)
    const before = await signingKey('root-key')
    await iam().ensureRootAccount({ ...ROOT, secretAccessKey: 'changed-secret' })
    expect((await signingKey('root-key'))?.bytes).not.toEqual(before?.bytes)
  })

  it('makes access keys of the form that AWS has, each another', async () => {
    const made = [await create('alice'), await create('bob')]
    for (const { account, accessKey } of made) {
      expect(accessKey.accessKeyId).toMatch(/^AKIA[A-Z2-7]{16}$/)
      expect(accessKey.secretAccessKey).toHaveLength(40)
      expect(account).toMatchObject({ rootAccessKeyIds: [accessKey.accessKeyId] })
      expect(account.canonicalId).toMatch(/^[0-9a-f]{64}$/)
      expect(account.accountId).toMatch(/^[0-9]{12}$/)
    }
    expect(new Set(made.map(({ accessKey }) => accessKey.secretAccessKey)).size).toBe(2)
  })

  it('refuses names and keys that are taken or malformed', async () => {
    const { accessKey } = await create('alice')
    const root = { accessKeyId: accessKey.accessKeyId, secretAccessKey: 'roots-secret' }
    const attempts = [
      [() => create('alice'), 'IAM_ACCOUNT_EXISTS'],
      [() => create('a/b'), 'IAM_ACCOUNT_NAME_INVALID'],
      [() => create(''), 'IAM_ACCOUNT_NAME_INVALID'],
      [() => iam().ensureRootAccount(root), 'IAM_ACCESS_KEY_EXISTS'],
      [() => iam().ensureRootAccount({ ...ROOT, accessKeyId: 'b' }), 'IAM_ACCESS_KEY_INVALID'],
      [() => iam().ensureRootAccount({ ...ROOT, secretAccessKey: 'short' }), 'IAM_ACCESS_KEY_INVALID'],
      [() => iam().removeAccount('nobody'), 'IAM_ACCOUNT_NOT_FOUND'],
    ] as const
    for (const [attempt, code] of attempts) await expect(attempt()).rejects.toMatchObject({ code })
    expect((await iam().listAccounts()).map(({ name }) => name)).toEqual(['alice'])
  })

  it("never gives one account's access key to another, not even as the root's new key", async () => {
    const { account, accessKey } = await create('alice')
    await iam().ensureRootAccount(ROOT)
    const taken = iam().ensureRootAccount({ ...ROOT, accessKeyId: accessKey.accessKeyId })
    await expect(taken).rejects.toMatchObject({ code: 'IAM_ACCESS_KEY_EXISTS' })
    expect((await signingKey(accessKey.accessKeyId))?.principal.accountId).toBe(account.accountId)
    expect((await signingKey(ROOT.accessKeyId))?.principal.accountName).toBe('root')
  })

  it('makes one account of a name, however many processes make it at once', async () => {
    const attempts = await Promise.allSettled(
      Array.from({ length: 12 }, (_, index) => create('alice', index % 2 ? one : another)),
    )
    const accounts = await iam().listAccounts()
    const made = attempts.filter((attempt) => attempt.status === 'fulfilled')
    expect(made).toHaveLength(1)
    expect(accounts.map(({ accountId }) => accountId)).toEqual(made.map(({ value }) => value.account.accountId))
    await expect(create('alice')).rejects.toMatchObject({ code: 'IAM_ACCOUNT_EXISTS' })
  })

  it('makes one root account, even if two processes start at once', async () => {
    const made = await Promise.all([one, another].map(({ mesh }) => mesh.use('iam').ensureRootAccount(ROOT)))
    expect(made[0]?.accountId).toBe(made[1]?.accountId)
    expect(await iam().listAccounts()).toHaveLength(1)
    expect((await signingKey(ROOT.accessKeyId))?.principal.accountName).toBe('root')
  })

  it('is not blocked by the making of an account that was cut short', async () => {
    await cutShort(() => create('alice'))
    expect(await iam().listAccounts()).toEqual([])
    const { accessKey } = await create('alice')
    expect(await signingKey(accessKey.accessKeyId)).toBeDefined()
  })

  it('makes the root account after a first start that was cut short, with the same access key', async () => {
    await cutShort(() => iam().ensureRootAccount(ROOT))
    expect(await signingKey(ROOT.accessKeyId)).toBeUndefined()
    await iam().ensureRootAccount(ROOT)
    expect(await signingKey(ROOT.accessKeyId)).toBeDefined()
  })

  it('removes an account and its keys, but not the first one and none that owns buckets', async () => {
    const root = await iam().ensureRootAccount(ROOT)
    const { account, accessKey } = await create('alice')
    const bucket = {
      name: 'hers',
      id: 'd'.repeat(32),
      ownerAccountId: account.accountId,
      createdAt: 1,
      versioning: 'unversioned' as const,
      wrappedMetadataKey: new Uint8Array(1),
      sealed: new Uint8Array(1),
    }
    await one.store.createBucket(bucket)
    await expect(iam().removeAccount('alice')).rejects.toMatchObject({ code: 'IAM_ACCOUNT_OWNS_BUCKETS' })
    await one.store.deleteBucket('hers', bucket.id)
    await iam().removeAccount('alice')
    expect(await signingKey(accessKey.accessKeyId)).toBeUndefined()
    await expect(iam().removeAccount(root.accountId)).rejects.toMatchObject({ code: 'IAM_ACCOUNT_IS_ROOT' })
  })

  it('keeps no secret in the clear', async () => {
    const { accessKey } = await create('very-recognisable-name')
    for (const name of readdirSync(directory.path)) {
      const bytes = readFileSync(join(directory.path, name))
      expect(bytes.includes(accessKey.secretAccessKey)).toBe(false)
    }
  })
})
