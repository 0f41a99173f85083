import type { Account, PublicAccessBlock } from '@coffer/contracts'
import type { BoundPrincipals } from '@coffer/policy'
import type { PasswordHash } from './password-hash.ts'

/*
 * What is kept of identities: one sealed record each, found by its kind, account and unique id, so that a rename changes one
 * record. Secrets of access keys are records of their own: nothing here lets anybody in.
 */

export interface Tag {
  readonly key: string
  readonly value: string
}

/** What policies hang on. */
export interface Attachable {
  /** ARNs of managed policies. */
  readonly attached: readonly string[]
  /** Inline policies: documents by name. */
  readonly inline: Readonly<Record<string, string>>
}

interface Named {
  readonly accountId: string
  /** `AIDA...`, `AGPA...`, `AROA...`, `ANPA...`. */
  readonly id: string
  readonly name: string
  readonly path: string
  readonly createdAt: number
}

export interface UserAccessKey {
  readonly accessKeyId: string
  readonly isActive: boolean
  readonly createdAt: number
}

/** A password, for the console: only a hash of it. */
export interface LoginProfile extends PasswordHash {
  readonly createdAt: number
  readonly changedAt: number
  readonly mustReset: boolean
  /** What it may not be again. */
  readonly earlier: readonly PasswordHash[]
}

export interface User extends Named, Attachable {
  readonly kind: 'user'
  readonly tags: readonly Tag[]
  readonly groupIds: readonly string[]
  readonly boundaryArn?: string
  readonly accessKeys: readonly UserAccessKey[]
  readonly login?: LoginProfile
}

export interface Group extends Named, Attachable {
  readonly kind: 'group'
}

export interface Role extends Named, Attachable {
  readonly kind: 'role'
  readonly tags: readonly Tag[]
  readonly trustPolicy: string
  /** Unique ids by the names in it. Absent: it was kept before there were any, and its ARNs are of whoever has them. */
  readonly trustPrincipals?: BoundPrincipals
  readonly description?: string
  readonly sessionSecondsMax: number
  readonly boundaryArn?: string
}

export interface PolicyVersion {
  /** `v1`, `v2`, ... */
  readonly id: string
  readonly document: string
  readonly createdAt: number
}

export interface ManagedPolicy extends Named {
  readonly kind: 'policy'
  readonly description?: string
  readonly updatedAt: number
  readonly versions: readonly PolicyVersion[]
  readonly defaultVersionId: string
  /** Numbers of versions are not used again. */
  readonly versionsMade: number
  readonly tags: readonly Tag[]
}

export interface OidcProvider {
  readonly kind: 'oidc-provider'
  readonly accountId: string
  /** The URL without `https://`: what its ARN ends with. */
  readonly id: string
  readonly clientIds: readonly string[]
  readonly thumbprints: readonly string[]
  readonly createdAt: number
  readonly tags: readonly Tag[]
}

export interface PasswordPolicy {
  readonly minimumLength: number
  readonly requireSymbols: boolean
  readonly requireNumbers: boolean
  readonly requireUppercase: boolean
  readonly requireLowercase: boolean
  readonly allowUsersToChange: boolean
  readonly ageDaysMax?: number
  readonly reusePrevention?: number
  readonly hardExpiry: boolean
}

export interface AccountSettings {
  readonly kind: 'settings'
  readonly accountId: string
  /** `settings`: there is one. */
  readonly id: string
  readonly alias?: string
  readonly passwordPolicy?: PasswordPolicy
  /** What of public access S3 refuses to all buckets of the account. */
  readonly publicAccessBlock?: PublicAccessBlock
}

export interface AccountEntity extends Account {
  readonly kind: 'account'
  /** Root access keys beside the one that is configured, made by the IAM API. */
  readonly moreRootKeys?: readonly UserAccessKey[]
}

/** What ends sessions before their time (`sts/logouts.ts`). */
export interface SessionEnd {
  readonly kind: 'session-end'
  readonly accountId: string
  /** Whose, by what they are known by. */
  readonly id: string
  /** Those that began then or before. */
  readonly at: number
  /** There are none any more that it could end. */
  readonly until: number
  /** Who took the session, where its holder has ended it; absent: by an older version. */
  readonly person?: string
  readonly source?: string
}

export type Entity = AccountEntity | AccountSettings | Group | ManagedPolicy | OidcProvider | Role | SessionEnd | User
export type EntityKind = Entity['kind']
/** The kinds that live in an account and have names. */
export type NamedEntity = User | Group | Role | ManagedPolicy
export type PolicyHolder = User | Group | Role

export const ENTITY_PREFIXES = [
  'account/',
  'settings/',
  'user/',
  'group/',
  'role/',
  'policy/',
  'oidc-provider/',
  'session-end/',
] as const

/** The id of its record. An account's is older than the others and has no kind in it. */
export function recordIdOf(entity: Entity): string {
  return entity.kind === 'account' ? `account/${entity.accountId}` : `${entity.kind}/${entity.accountId}/${entity.id}`
}

/** Inverse of what is kept: the kind is in the record's id. */
export function entityFrom(recordId: string, value: object): Entity {
  return { ...value, kind: recordId.slice(0, recordId.indexOf('/')) } as Entity
}

export function arnOf(entity: Exclude<Entity, AccountEntity | AccountSettings | SessionEnd>): string {
  const name = entity.kind === 'oidc-provider' ? `/${entity.id}` : entity.path + entity.name
  return `arn:aws:iam::${entity.accountId}:${entity.kind}${name}`
}
