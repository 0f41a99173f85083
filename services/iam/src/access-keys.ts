import type { AccessKey } from '@coffer/contracts'

/** The secret of an access key: a sealed record of its own, looked at only to derive a day key. */
export interface StoredAccessKey extends AccessKey {
  readonly accountId: string
}

const PREFIX = 'access-key/'

export function accessKeyRecord(accessKeyId: string): string {
  return PREFIX + accessKeyId
}

/** Undefined: the record is of something else. */
export function accessKeyOf(recordId: string): string | undefined {
  return recordId.startsWith(PREFIX) ? recordId.slice(PREFIX.length) : undefined
}

/** When and for what an access key or a role was used last: a record that no decision needs. */
export interface KeyUse {
  readonly at: number
  readonly service: string
  readonly region: string
}

export function keyUseRecord(accessKeyId: string): string {
  return `key-use/${accessKeyId}`
}

/** The same of a role, by any session of it. */
export function roleUseRecord({ accountId, id }: { readonly accountId: string; readonly id: string }): string {
  return `role-use/${accountId}/${id}`
}
