import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AccessKey, Account } from '@coffer/contracts'
import { Secret } from '@coffer/crypto-core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ensureRootAccount } from './root-account.ts'
import { configuredRootCredentials, makeRootCredentials, readRootCredentials } from './root-credentials.ts'

let directory: string
let path: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coffer-root-credentials-'))
  path = join(directory, 'root-credentials')
})
afterEach(async () => await rm(directory, { recursive: true }))

/** An IAM service that knows one root access key. */
class OneAccount {
  accessKey: AccessKey | undefined
  async hasRootAccount(): Promise<boolean> {
    return this.accessKey !== undefined
  }
  async ensureRootAccount(accessKey: AccessKey): Promise<Account> {
    this.accessKey = accessKey
    return { accountId: '1'.repeat(12), name: 'root', canonicalId: '', createdAt: 0, rootAccessKeyIds: [] }
  }
}

describe('the credentials file', () => {
  test('holds a random key that reads back, for its owner only', async () => {
    const made = await makeRootCredentials(path)
    expect(made.accessKeyId).toMatch(/^[A-Z0-9]{20}$/)
    expect(made.secretAccessKey).toMatch(/^[A-Za-z0-9]{40}$/)
    expect(await readRootCredentials(path)).toEqual(made)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  test('is never written over', async () => {
    await makeRootCredentials(path)
    const before = await readFile(path, 'utf8')
    await expect(makeRootCredentials(path)).rejects.toMatchObject({ code: 'EEXIST' })
    expect(await readFile(path, 'utf8')).toBe(before)
  })

  test.each(['', 'COFFER_ROOT_ACCESS_KEY_ID=abc\n', 'garbage s3cr3t\n'])('is refused unread: %j', async (text) => {
    await writeFile(path, text)
    const refused = readRootCredentials(path)
    await expect(refused).rejects.toMatchObject({ code: 'COFFER_ROOT_CREDENTIALS_INVALID' })
    await expect(refused).rejects.not.toThrow('s3cr3t')
  })
})

describe('the root account', () => {
  test('gets a key of its own at the first start, shown once', async () => {
    const iam = new OneAccount()
    const first = await ensureRootAccount(iam, undefined, directory)
    expect(first.made).toEqual(iam.accessKey)
    const second = await ensureRootAccount(iam, undefined, directory)
    expect(second).toEqual({ path, accessKeyId: first.accessKeyId })
  })

  test('gets the configured key, which is not written to disk', async () => {
    const iam = new OneAccount()
    const configured = { accessKeyId: 'ROOT', secretAccessKey: 'not-to-be-kept' }
    expect(await ensureRootAccount(iam, configured, directory)).toEqual({ accessKeyId: 'ROOT' })
    expect(iam.accessKey).toEqual(configured)
    expect(await readRootCredentials(path)).toBeUndefined()
  })

  test('keeps the key it has when none is configured or kept', async () => {
    const iam = new OneAccount()
    iam.accessKey = { accessKeyId: 'ROOT', secretAccessKey: 'configured-before' }
    expect(await ensureRootAccount(iam, undefined, directory)).toEqual({})
    expect(iam.accessKey.accessKeyId).toBe('ROOT')
  })
})

const NOTHING = { rootAccessKeyId: undefined, rootSecretAccessKey: undefined, rootCredentialsFile: undefined }
const SECRET = { rootSecretAccessKey: Secret.copyOf(Buffer.from('s3cr3t-s3cr3t')) }
const INVALID = { code: 'COFFER_ROOT_CREDENTIALS_INVALID' }

test('half of an access key is refused', async () => {
  await expect(configuredRootCredentials({ ...NOTHING, rootAccessKeyId: 'ROOT' })).rejects.toThrow('go together')
  await expect(configuredRootCredentials({ ...NOTHING, ...SECRET })).rejects.toThrow('go together')
})

test('the access key may be in a file, which must be there and be the only place', async () => {
  const settings = { ...NOTHING, rootCredentialsFile: path }
  expect(await configuredRootCredentials(NOTHING)).toBeUndefined()
  await expect(configuredRootCredentials(settings)).rejects.toMatchObject(INVALID)
  const made = await makeRootCredentials(path)
  expect(await configuredRootCredentials(settings)).toEqual(made)
  const twice = configuredRootCredentials({ ...settings, ...SECRET, rootAccessKeyId: 'ROOT' })
  await expect(twice).rejects.toMatchObject(INVALID)
  await expect(twice).rejects.not.toThrow('s3cr3t')
})
