import type { AccessKey, Account, IamService } from '@coffer/contracts'
import { Secret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
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

/** Accounts and their root access keys. Users, groups and roles will live beside them. */
export function createIamService(options: IamServiceOptions): IamService {
  const { mesh } = options
  const metadata = mesh.use('metadata')
  const records = new IamRecords(mesh)

  const findByName = async (name: string): Promise<Account | undefined> => {
    const named = await records.find<{ accountId: string }>(nameRecord(name))
    return named && records.find<Account>(accountRecord(named.accountId))
  }
  const claim = async (id: string, value: unknown, taken: 'IAM_ACCOUNT_EXISTS' | 'IAM_ACCESS_KEY_EXISTS') => {
    await records.put(id, value, 0).catch((error: unknown) => {
      throw isCofferError(error, 'META_RECORD_CHANGED') ? iamError(taken) : error
    })
  }
  /** The name is claimed first and the account written last: an account that is cut short in the making never shows. */
  const create = async (name: string, accessKey: AccessKey): Promise<Account> => {
    assertAccessKey(accessKey)
    const account: Account = {
      accountId: newAccountId(),
      name,
      canonicalId: newCanonicalId(),
      createdAt: Date.now(),
      rootAccessKeyIds: [accessKey.accessKeyId],
    }
    if ((await findByName(name)) !== undefined) throw iamError('IAM_ACCOUNT_EXISTS', { name })
    const stored: StoredAccessKey = { ...accessKey, accountId: account.accountId }
    await claim(accessKeyRecord(accessKey.accessKeyId), stored, 'IAM_ACCESS_KEY_EXISTS')
    // A claim of this name without its account is left of an attempt that was cut short: it is taken over.
    await records.put(nameRecord(name), { accountId: account.accountId })
    await claim(accountRecord(account.accountId), account, 'IAM_ACCOUNT_EXISTS')
    return account
  }
  const replaceRootKey = async (account: Account, accessKey: AccessKey): Promise<Account> => {
    assertAccessKey(accessKey)
    const stored: StoredAccessKey = { ...accessKey, accountId: account.accountId }
    await records.put(accessKeyRecord(accessKey.accessKeyId), stored)
    const replaced = { ...account, rootAccessKeyIds: [accessKey.accessKeyId] }
    await records.put(accountRecord(account.accountId), replaced)
    for (const id of account.rootAccessKeyIds) {
      if (id !== accessKey.accessKeyId) await records.remove(accessKeyRecord(id))
    }
    return replaced
  }

  return {
    async findSigningKey({ accessKeyId, date, region, service }, recipient) {
      if (!isAccessKeyId(accessKeyId)) return undefined
      const stored = await records.find<StoredAccessKey>(accessKeyRecord(accessKeyId))
      const account = stored && (await records.find<Account>(accountRecord(stored.accountId)))
      if (stored === undefined || account === undefined) return undefined
      const signingKey = deriveDayKey(stored.secretAccessKey, date, region, service)
      const { accountId, name: accountName, canonicalId } = account
      return {
        principal: { kind: 'account-root', accountId, accountName, canonicalId, accessKeyId },
        signingKey: mesh.parcel(Secret.take(signingKey), recipient, 'signing-key'),
        leaseMs: LEASE_MS,
      }
    },
    async hasRootAccount() {
      return (await findByName(ROOT_NAME)) !== undefined
    },
    async ensureRootAccount(accessKey) {
      const account = await findByName(ROOT_NAME)
      if (account === undefined) return create(ROOT_NAME, accessKey)
      const stored = await records.find<StoredAccessKey>(accessKeyRecord(accessKey.accessKeyId))
      const same =
        stored?.accountId === account.accountId &&
        account.rootAccessKeyIds.includes(accessKey.accessKeyId) &&
        Secret.copyOf(Buffer.from(stored.secretAccessKey)).equals(Secret.copyOf(Buffer.from(accessKey.secretAccessKey)))
      return same ? account : replaceRootKey(account, accessKey)
    },
    async createAccount(name, accessKey = newAccessKey()) {
      if (!ACCOUNT_NAME.test(name)) throw iamError('IAM_ACCOUNT_NAME_INVALID', { name: name.slice(0, 100) })
      return { account: await create(name, accessKey), accessKey }
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
