import type { AccessKey, Account, PublicAccessBlock } from '@coffer/contracts'
import { Secret } from '@coffer/crypto-core'
import { accessKeyRecord, type StoredAccessKey } from './access-keys.ts'
import { assertAccessKey, newAccountId, newCanonicalId } from './credentials.ts'
import type { Directory } from './directory.ts'
import type { AccountEntity, Entity } from './entities.ts'
import { iamError } from './errors.ts'
import type { IamRecords } from './iam-records.ts'
import { accountIn, type IamStore, type Plan } from './iam-store.ts'

export const ROOT_NAME = 'root'

/** A new account and its root access key. IAM_ACCOUNT_EXISTS, IAM_ACCESS_KEY_EXISTS, IAM_ACCESS_KEY_INVALID. */
export function planAccount(directory: Directory, name: string, accessKey: AccessKey): Plan<Account> {
  assertAccessKey(accessKey)
  const { accessKeyId } = accessKey
  if (directory.accountNamed(name) !== undefined) throw iamError('IAM_ACCOUNT_EXISTS', { name })
  if (directory.keyOwner(accessKeyId) !== undefined) throw iamError('IAM_ACCESS_KEY_EXISTS', { accessKeyId })
  const accountId = newAccountId()
  const account: AccountEntity = {
    kind: 'account',
    accountId,
    name,
    canonicalId: newCanonicalId(),
    createdAt: Date.now(),
    rootAccessKeyIds: [accessKeyId],
  }
  const others = [{ id: accessKeyRecord(accessKeyId), value: { ...accessKey, accountId } satisfies StoredAccessKey }]
  return { put: [account], others, result: account }
}

/** The first account, with this root access key and no other. */
export async function planRoot(
  directory: Directory,
  accessKey: AccessKey,
  records: IamRecords,
): Promise<Plan<Account>> {
  const account = directory.accountNamed(ROOT_NAME)
  if (account === undefined) return planAccount(directory, ROOT_NAME, accessKey)
  assertAccessKey(accessKey)
  const { accessKeyId } = accessKey
  const owner = directory.keyOwner(accessKeyId)
  const isRoots = owner?.accountId === account.accountId && owner.userId === undefined
  if (owner !== undefined && !isRoots) throw iamError('IAM_ACCESS_KEY_EXISTS', { accessKeyId })
  const stored = await records.find<StoredAccessKey>(accessKeyRecord(accessKeyId))
  if (isRoots && stored !== undefined && isSameSecret(stored, accessKey)) return { result: account }
  const replaced: AccountEntity = { ...account, rootAccessKeyIds: [accessKeyId] }
  const dropped = account.rootAccessKeyIds.filter((id) => id !== accessKeyId)
  const value: StoredAccessKey = { ...accessKey, accountId: account.accountId }
  return {
    put: [replaced],
    others: [{ id: accessKeyRecord(accessKeyId), value }, ...dropped.map((id) => ({ id: accessKeyRecord(id) }))],
    result: replaced,
  }
}

/** IAM_ACCOUNT_NOT_FOUND. */
export function planPublicAccessBlock(
  directory: Directory,
  accountId: string,
  block: PublicAccessBlock | undefined,
): Plan<void> {
  accountIn(directory, accountId)
  const { publicAccessBlock: _, ...settings } = directory.settings(accountId)
  return { put: [{ ...settings, ...(block && { publicAccessBlock: block }) }], result: undefined }
}

/** An account with everything that is in it. IAM_ACCOUNT_IS_ROOT. */
export function planRemoval(directory: Directory, account: AccountEntity): Plan<void> {
  if (account.name === ROOT_NAME) throw iamError('IAM_ACCOUNT_IS_ROOT')
  const { accountId, rootAccessKeyIds } = account
  const users = directory.list('user', accountId)
  const more = account.moreRootKeys?.map(({ accessKeyId }) => accessKeyId) ?? []
  const keyIds = [
    ...rootAccessKeyIds,
    ...more,
    ...users.flatMap(({ accessKeys }) => accessKeys.map((key) => key.accessKeyId)),
  ]
  const remove: Entity[] = [
    account,
    directory.settings(accountId),
    ...users,
    ...directory.list('group', accountId),
    ...directory.list('role', accountId),
    ...directory.list('policy', accountId),
    ...directory.list('oidc-provider', accountId),
  ]
  // Stores of before had a record for the name too.
  const others = [...keyIds.map((id) => ({ id: accessKeyRecord(id) })), { id: `account-name/${account.name}` }]
  return { remove, others, result: undefined }
}

const FORGOTTEN_AT_ONCE = 200

/** What had ended sessions of an account that is gone: there may be more than fits into one change. */
export async function forgetEnds(store: IamStore, accountId: string): Promise<void> {
  const forget = (directory: Directory): Plan<boolean> => {
    const remove = directory.list('session-end', accountId).slice(0, FORGOTTEN_AT_ONCE)
    return { remove, result: remove.length > 0 }
  }
  while (await store.change(forget));
}

function isSameSecret(one: AccessKey, other: AccessKey): boolean {
  const secretOf = ({ secretAccessKey }: AccessKey) => Secret.copyOf(Buffer.from(secretAccessKey))
  return secretOf(one).equals(secretOf(other))
}
