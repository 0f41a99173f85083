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
  const signingKey = async (accessKeyId: string, { mesh }: ServiceProcess = one) => {
    const found = await mesh.use('iam').findSigningKey({ accessKeyId, ...SCOPE }, mesh.recipient())
    return found && { ...found, bytes: insecureExportKeyBytes(mesh.unparcel(found.signingKey, 'signing-key')) }
  }

  it('gives the day key of an access key, and whose it is, but never the secret', async () => {
    const { account, accessKey } = await iam().createAccount('alice')
    const found = await signingKey(accessKey.accessKeyId, another)
    const expected = deriveSigningKey(Buffer.from(accessKey.secretAccessKey), SCOPE.date, SCOPE.region, SCOPE.service)
    expect(Buffer.from(found?.bytes ?? []).equals(expected)).toBe(true)
    expect(found?.principal).toMatchObject({ accountId: account.accountId, canonicalId: account.canonicalId })
    expect(JSON.stringify(found)).not.toContain(accessKey.secretAccessKey)
  })

  it('knows no access key of another spelling', async () => {
    const { accessKey } = await iam().createAccount('alice')
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

  it('refuses names and keys that are taken or malformed', async () => {
    await iam().createAccount('alice', { accessKeyId: 'alice-key', secretAccessKey: 'alice-secret' })
    const attempts = [
      [() => iam().createAccount('alice'), 'IAM_ACCOUNT_EXISTS'],
      [
        () => iam().createAccount('bob', { accessKeyId: 'alice-key', secretAccessKey: 'bobs-secret' }),
        'IAM_ACCESS_KEY_EXISTS',
      ],
      [() => iam().createAccount('a/b'), 'IAM_ACCOUNT_NAME_INVALID'],
      [() => iam().createAccount(''), 'IAM_ACCOUNT_NAME_INVALID'],
      [
        () => iam().createAccount('bob', { accessKeyId: 'b', secretAccessKey: 'bobs-secret' }),
        'IAM_ACCESS_KEY_INVALID',
      ],
      [
        () => iam().createAccount('bob', { accessKeyId: 'bob-key', secretAccessKey: 'short' }),
        'IAM_ACCESS_KEY_INVALID',
      ],
      [() => iam().removeAccount('nobody'), 'IAM_ACCOUNT_NOT_FOUND'],
    ] as const
    for (const [attempt, code] of attempts) await expect(attempt()).rejects.toMatchObject({ code })
    expect((await iam().listAccounts()).map(({ name }) => name)).toEqual(['alice'])
    expect((await signingKey('alice-key'))?.principal.accountName).toBe('alice')
  })

  it('removes an account and its keys, but not the first one and none that owns buckets', async () => {
    const root = await iam().ensureRootAccount(ROOT)
    const { account, accessKey } = await iam().createAccount('alice')
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
    const { accessKey } = await iam().createAccount('very-recognisable-name')
    for (const name of readdirSync(directory.path)) {
      const bytes = readFileSync(join(directory.path, name))
      expect(bytes.includes(accessKey.secretAccessKey)).toBe(false)
    }
  })
})
