import { Secret } from '@coffer/crypto-core'
import { z } from 'zod'
import { accessKeyRecord, type KeyUse, keyUseRecord, type StoredAccessKey } from '../access-keys.ts'
import { newAccessKey } from '../credentials.ts'
import type { Directory } from '../directory.ts'
import type { AccountEntity, User, UserAccessKey } from '../entities.ts'
import { refusal } from '../errors.ts'
import { type ActionCall, type IamAction, iamAction, SecretAnswer } from './action.ts'
import { timeOf } from './answers.ts'
import { accessKeyId, paging, userName } from './fields.ts'
import { targetUser, userMeant } from './find-entities.ts'
import { pageOf } from './pages.ts'
import { assertWithin } from './quotas.ts'

const ofUser = { UserName: userName.optional() }

export const ACCESS_KEY_ACTIONS: readonly IamAction[] = [
  iamAction(
    'CreateAccessKey',
    z.strictObject(ofUser),
    ({ UserName }, call) => targetUser(call, UserName),
    async ({ UserName }, call) => {
      const made = newAccessKey()
      const { accessKeyId: id } = made
      const { owner, key } = await call.store.change((directory) => {
        const holder = holderOf(directory, call, UserName)
        assertWithin('AccessKeysPerUser', keysOf(holder).length + 1)
        const added: UserAccessKey = { accessKeyId: id, isActive: true, createdAt: Date.now() }
        const value: StoredAccessKey = { ...made, accountId: call.accountId }
        return {
          put: [withKeys(holder, [...keysOf(holder), added])],
          others: [{ id: accessKeyRecord(id), value, expectedRevision: 0 }],
          result: { owner: nameOf(holder), key: added },
        }
      })
      const secret = Secret.take(Buffer.from(made.secretAccessKey))
      const secretAccessKey = call.mesh.parcel(secret, call.recipient, 'secret-access-key', id)
      return new SecretAnswer({ AccessKey: describeKey(owner, key) }, secretAccessKey)
    },
  ),
  iamAction(
    'ListAccessKeys',
    z.strictObject({ ...ofUser, ...paging }),
    ({ UserName }, call) => targetUser(call, UserName),
    async ({ UserName, ...paged }, call) => {
      const holder = holderOf(call.directory, call, UserName)
      const { items, more } = pageOf(listedKeysOf(holder), (key) => key.accessKeyId, paged)
      return { AccessKeyMetadata: items.map((key) => describeKey(nameOf(holder), key)), ...more }
    },
  ),
  iamAction(
    'UpdateAccessKey',
    z.strictObject({ ...ofUser, AccessKeyId: accessKeyId, Status: z.enum(['Active', 'Inactive']) }),
    ({ UserName }, call) => targetUser(call, UserName),
    ({ UserName, AccessKeyId, Status }, call) =>
      call.store.change((directory) => {
        const holder = holderOf(directory, call, UserName)
        assertHasKey(holder, AccessKeyId)
        const keys = keysOf(holder).map((key) =>
          key.accessKeyId === AccessKeyId ? { ...key, isActive: Status === 'Active' } : key,
        )
        return { put: [withKeys(holder, keys)], result: undefined }
      }),
  ),
  iamAction(
    'DeleteAccessKey',
    z.strictObject({ ...ofUser, AccessKeyId: accessKeyId }),
    ({ UserName }, call) => targetUser(call, UserName),
    ({ UserName, AccessKeyId }, call) =>
      call.store.change((directory) => {
        const holder = holderOf(directory, call, UserName)
        assertHasKey(holder, AccessKeyId)
        const keys = keysOf(holder).filter((key) => key.accessKeyId !== AccessKeyId)
        const others = [{ id: accessKeyRecord(AccessKeyId) }, { id: keyUseRecord(AccessKeyId) }]
        return { put: [withKeys(holder, keys)], others, result: undefined }
      }),
  ),
  iamAction(
    'GetAccessKeyLastUsed',
    z.strictObject({ AccessKeyId: accessKeyId }),
    ({ AccessKeyId }, call) => targetUser(call, userOfKey(call, AccessKeyId)?.name),
    async ({ AccessKeyId }, call) => {
      const owner = call.directory.keyOwner(AccessKeyId)
      if (owner?.accountId !== call.accountId) throw noSuchKey(AccessKeyId)
      const use = await call.records.find<KeyUse>(keyUseRecord(AccessKeyId))
      return {
        UserName: userOfKey(call, AccessKeyId)?.name,
        AccessKeyLastUsed: {
          LastUsedDate: use && timeOf(use.at),
          ServiceName: use?.service ?? 'N/A',
          Region: use?.region ?? 'N/A',
        },
      }
    },
  ),
]

/** Whose keys an action is on: a user, or the root that makes the request. */
type KeyHolder = User | AccountEntity

function holderOf(directory: Directory, call: ActionCall, name: string | undefined): KeyHolder {
  const account = call.principal.kind === 'account-root' ? directory.account(call.accountId) : undefined
  return name === undefined && account !== undefined ? account : userMeant(directory, call, name)
}

/** Those that the IAM API makes and deletes: not the root access key that the server is configured with. */
function keysOf(holder: KeyHolder): readonly UserAccessKey[] {
  return holder.kind === 'user' ? holder.accessKeys : (holder.moreRootKeys ?? [])
}

function listedKeysOf(holder: KeyHolder): readonly UserAccessKey[] {
  if (holder.kind === 'user') return holder.accessKeys
  const { createdAt } = holder
  return [...holder.rootAccessKeyIds.map((id) => ({ accessKeyId: id, isActive: true, createdAt })), ...keysOf(holder)]
}

function withKeys(holder: KeyHolder, keys: readonly UserAccessKey[]): KeyHolder {
  return holder.kind === 'user' ? { ...holder, accessKeys: keys } : { ...holder, moreRootKeys: keys }
}

/** NoSuchEntity; UnmodifiableEntity. */
function assertHasKey(holder: KeyHolder, id: string): void {
  if (keysOf(holder).some((key) => key.accessKeyId === id)) return
  if (holder.kind === 'account' && holder.rootAccessKeyIds.includes(id)) {
    throw refusal('IAM_UNMODIFIABLE_ENTITY', `${id} is the root access key of the server's configuration.`)
  }
  throw noSuchKey(id)
}

function noSuchKey(id: string) {
  return refusal('IAM_NO_SUCH_ENTITY', `The Access Key with id ${id} cannot be found.`)
}

function userOfKey({ directory, accountId }: ActionCall, id: string): User | undefined {
  const owner = directory.keyOwner(id)
  return owner?.userId === undefined ? undefined : directory.find('user', accountId, owner.userId)
}

function nameOf(holder: KeyHolder): string | undefined {
  return holder.kind === 'user' ? holder.name : undefined
}

function describeKey(owner: string | undefined, { accessKeyId: id, isActive, createdAt }: UserAccessKey) {
  return {
    UserName: owner,
    AccessKeyId: id,
    Status: isActive ? 'Active' : 'Inactive',
    CreateDate: timeOf(createdAt),
  }
}
