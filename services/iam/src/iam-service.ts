import { setTimeout as sleep } from 'node:timers/promises'
import type { AccessKey, Account, IamService } from '@coffer/contracts'
import { Secret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import { claim } from './claim.ts'
import { assertAccessKey, isAccessKeyId, newAccessKey, newAccountId, newCanonicalId } from './credentials.ts'
import { iamError } from './errors.ts'
import { IamRecords } from './iam-records.ts'
import { deriveDayKey } from './signing-key.ts'

export interface IamServiceOptions {
  readonly mesh: Mesh
}

interface StoredAccessKey extends AccessKey {
  readonly accountId: string
}

const ROOT_NAME = 'root'
const ACCOUNT_NAME = /^[A-Za-z0-9._@+-]{1,64}$/
/** How long a gateway may rely on a signing key: the longest that a removed access key goes on working. */
const LEASE_MS = 1000
const ROOT_ATTEMPTS_MAX = 5
const ROOT_RETRY_PAUSE_MS = 100

/** Accounts and their root access keys. Users, groups and roles will live beside them. */
export function createIamService(options: IamServiceOptions): IamService {
  const { mesh } = options
  const metadata = mesh.use('metadata')
  const records = new IamRecords(mesh)

  const findByName = async (name: string): Promise<Account | undefined> => {
    const named = await records.find<{ accountId: string }>(nameRecord(name))
    return named && records.find<Account>(accountRecord(named.accountId))
  }
  const accountExists = async ({ accountId }: { accountId: string }): Promise<boolean> =>
    (await records.find<Account>(accountRecord(accountId))) !== undefined

  /** The account is written last: one that is cut short in the making never shows. */
  const create = async (name: string, accessKey: AccessKey): Promise<Account> => {
    assertAccessKey(accessKey)
    const { accessKeyId } = accessKey
    const accountId = newAccountId()
    if ((await findByName(name)) !== undefined) throw iamError('IAM_ACCOUNT_EXISTS', { name })
    const stored: StoredAccessKey = { ...accessKey, accountId }
    const keyClaim = await claim(records, accessKeyRecord(accessKeyId), stored, accountExists)
    if (keyClaim === undefined) throw iamError('IAM_ACCESS_KEY_EXISTS', { accessKeyId })
    const nameClaim = await claim(records, nameRecord(name), { accountId }, accountExists)
    if (nameClaim === undefined) throw iamError('IAM_ACCOUNT_EXISTS', { name })
    const createdAt = Date.now()
    const account = { accountId, name, canonicalId: newCanonicalId(), createdAt, rootAccessKeyIds: [accessKeyId] }
    await records.put(accountRecord(accountId), account, 0)
    if ((await nameClaim.confirm()) && (await keyClaim.confirm())) return account
    await records.remove(accountRecord(accountId))
    throw iamError('IAM_ACCOUNT_EXISTS', { name })
  }
  const replaceRootKey = async (account: Account, accessKey: AccessKey): Promise<Account> => {
    assertAccessKey(accessKey)
    const { accountId } = account
    const { accessKeyId } = accessKey
    const isAnothers = async (held: StoredAccessKey): Promise<boolean> =>
      held.accountId !== accountId && (await accountExists(held))
    const stored: StoredAccessKey = { ...accessKey, accountId }
    const claimed = await claim(records, accessKeyRecord(accessKeyId), stored, isAnothers)
    if (claimed === undefined) throw iamError('IAM_ACCESS_KEY_EXISTS', { accessKeyId })
    const replaced = { ...account, rootAccessKeyIds: [accessKeyId] }
    await records.put(accountRecord(accountId), replaced)
    for (const id of account.rootAccessKeyIds) {
      if (id !== accessKeyId) await records.remove(accessKeyRecord(id))
    }
    return replaced
  }
  const ensureRoot = async (accessKey: AccessKey): Promise<Account> => {
    const account = await findByName(ROOT_NAME)
    if (account === undefined) return create(ROOT_NAME, accessKey)
    const stored = await records.find<StoredAccessKey>(accessKeyRecord(accessKey.accessKeyId))
    const same =
      stored?.accountId === account.accountId &&
      account.rootAccessKeyIds.includes(accessKey.accessKeyId) &&
      Secret.copyOf(Buffer.from(stored.secretAccessKey)).equals(Secret.copyOf(Buffer.from(accessKey.secretAccessKey)))
    return same ? account : replaceRootKey(account, accessKey)
  }

  return {
    async findSigningKey({ accessKeyId, date, region, service }, recipient) {
      if (!isAccessKeyId(accessKeyId)) return undefined
      const stored = await records.find<StoredAccessKey>(accessKeyRecord(accessKeyId))
      const account = stored && (await records.find<Account>(accountRecord(stored.accountId)))
      // A key that its account does not name is left of a replacement or of a making that was cut short.
      if (stored === undefined || !account?.rootAccessKeyIds.includes(accessKeyId)) return undefined
      const signingKey = deriveDayKey(stored.secretAccessKey, date, region, service)
      const { accountId, name: accountName, canonicalId } = account
      return {
        principal: { kind: 'account-root', accountId, accountName, canonicalId, accessKeyId },
        signingKey: mesh.parcel(Secret.take(signingKey), recipient, 'signing-key', accessKeyId, date, region, service),
        leaseMs: LEASE_MS,
      }
    },
    async hasRootAccount() {
      return (await findByName(ROOT_NAME)) !== undefined
    },
    async ensureRootAccount(accessKey) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await ensureRoot(accessKey)
        } catch (error) {
          // Another process makes the first account at the same time.
          const mayPass = isCofferError(error, 'IAM_ACCOUNT_EXISTS') || isCofferError(error, 'IAM_ACCESS_KEY_EXISTS')
          if (!mayPass || attempt === ROOT_ATTEMPTS_MAX) throw error
          await sleep(ROOT_RETRY_PAUSE_MS * (attempt + Math.random()))
        }
      }
    },
    describeSealingKey: () => records.describeSealingKey(),
    rewrapSealingKey: (keyName) => records.rewrapSealingKey(keyName),
    async createAccount(name, recipient) {
      if (!ACCOUNT_NAME.test(name)) throw iamError('IAM_ACCOUNT_NAME_INVALID', { name: name.slice(0, 100) })
      const accessKey = newAccessKey()
      const account = await create(name, accessKey)
      const secret = Secret.take(Buffer.from(accessKey.secretAccessKey))
      const secretAccessKey = mesh.parcel(secret, recipient, 'secret-access-key', name)
      return { account, accessKeyId: accessKey.accessKeyId, secretAccessKey }
    },
    findAccount: (accountId) => records.find<Account>(accountRecord(accountId)),
    listAccounts: () => records.list<Account>(ACCOUNT_PREFIX),
    async removeAccount(idOrName) {
      const account = (await records.find<Account>(accountRecord(idOrName))) ?? (await findByName(idOrName))
      if (account === undefined) throw iamError('IAM_ACCOUNT_NOT_FOUND', { account: idOrName.slice(0, 100) })
      if (account.name === ROOT_NAME) throw iamError('IAM_ACCOUNT_IS_ROOT')
      const { buckets } = await metadata.listBuckets({
        ownerAccountId: account.accountId,
        prefix: '',
        afterName: '',
        limit: 1,
      })
      if (buckets.length > 0) throw iamError('IAM_ACCOUNT_OWNS_BUCKETS', { account: account.name })
      for (const id of account.rootAccessKeyIds) await records.remove(accessKeyRecord(id))
      await records.remove(accountRecord(account.accountId))
      await records.remove(nameRecord(account.name))
    },
  }
}

const ACCOUNT_PREFIX = 'account/'

function accountRecord(accountId: string): string {
  return ACCOUNT_PREFIX + accountId
}

function accessKeyRecord(accessKeyId: string): string {
  return `access-key/${accessKeyId}`
}

function nameRecord(name: string): string {
  return `account-name/${name}`
}
