import type { AccountEntity, AccountSettings, Entity, EntityKind, NamedEntity, Role, User } from './entities.ts'
import { recordIdOf } from './entities.ts'

/** Whose an access key is. */
export interface KeyOwner {
  readonly accountId: string
  /** Absent: the root's. */
  readonly userId?: string
}

type OfKind<Kind extends EntityKind> = Extract<Entity, { kind: Kind }>

/**
 * All identities, in memory: small data that every decision needs. Changed by `put` and `remove` only; what is derived from it
 * goes into `derived`, which forgets all at each change.
 */
export class Directory {
  readonly #entities = new Map<string, Entity>()
  /** `user/<account>`: its users by unique id. */
  readonly #ofAccount = new Map<string, Map<string, Entity>>()
  /** Names are unique regardless of case (IAM API, CreateUser). */
  readonly #byName = new Map<string, NamedEntity>()
  readonly #byUniqueId = new Map<string, User | Role>()
  readonly #accountsByName = new Map<string, AccountEntity>()
  readonly #keyOwners = new Map<string, KeyOwner>()
  #derived = new Map<string, unknown>()

  put(entity: Entity): void {
    const recordId = recordIdOf(entity)
    this.remove(recordId)
    this.#entities.set(recordId, entity)
    this.#index(entity)
  }

  remove(recordId: string): void {
    // Nothing is derived from what ends sessions, of which there may be many.
    if (!recordId.startsWith('session-end/')) this.#derived = new Map()
    const entity = this.#entities.get(recordId)
    if (entity === undefined) return
    this.#entities.delete(recordId)
    this.#unindex(entity)
  }

  account(accountId: string): AccountEntity | undefined {
    return this.#entities.get(`account/${accountId}`) as AccountEntity | undefined
  }

  accountNamed(name: string): AccountEntity | undefined {
    return this.#accountsByName.get(name)
  }

  accounts(): AccountEntity[] {
    return [...this.#accountsByName.values()]
  }

  settings(accountId: string): AccountSettings {
    const kept = this.#entities.get(`settings/${accountId}/settings`) as AccountSettings | undefined
    return kept ?? { kind: 'settings', accountId, id: 'settings' }
  }

  find<Kind extends EntityKind>(kind: Kind, accountId: string, id: string): OfKind<Kind> | undefined {
    return this.#entities.get(`${kind}/${accountId}/${id}`) as OfKind<Kind> | undefined
  }

  named<Kind extends NamedEntity['kind']>(kind: Kind, accountId: string, name: string): OfKind<Kind> | undefined {
    return this.#byName.get(nameKey(kind, accountId, name)) as OfKind<Kind> | undefined
  }

  /** By `AIDA...` or `AROA...`, of whatever account. */
  identified(uniqueId: string): User | Role | undefined {
    return this.#byUniqueId.get(uniqueId)
  }

  list<Kind extends Exclude<EntityKind, 'account' | 'settings'>>(kind: Kind, accountId: string): OfKind<Kind>[] {
    return [...(this.#ofAccount.get(`${kind}/${accountId}`)?.values() ?? [])] as OfKind<Kind>[]
  }

  count(kind: EntityKind, accountId: string): number {
    return this.#ofAccount.get(`${kind}/${accountId}`)?.size ?? 0
  }

  hasAlias(alias: string): boolean {
    return this.accounts().some(({ accountId }) => this.settings(accountId).alias === alias)
  }

  keyOwner(accessKeyId: string): KeyOwner | undefined {
    return this.#keyOwners.get(accessKeyId)
  }

  /** Made once for what is known now. */
  derived<T>(name: string, make: () => T): T {
    const known = this.#derived.get(name)
    if (known !== undefined) return known as T
    const made = make()
    this.#derived.set(name, made)
    return made
  }

  #index(entity: Entity): void {
    for (const [accessKeyId, owner] of keysOf(entity)) this.#keyOwners.set(accessKeyId, owner)
    if (entity.kind === 'account') {
      this.#accountsByName.set(entity.name, entity)
      return
    }
    const group = `${entity.kind}/${entity.accountId}`
    const others = this.#ofAccount.get(group)
    if (others === undefined) this.#ofAccount.set(group, new Map([[entity.id, entity]]))
    else others.set(entity.id, entity)
    if ('name' in entity) this.#byName.set(nameKey(entity.kind, entity.accountId, entity.name), entity)
    if (entity.kind === 'user' || entity.kind === 'role') this.#byUniqueId.set(entity.id, entity)
  }

  #unindex(entity: Entity): void {
    for (const [accessKeyId] of keysOf(entity)) this.#keyOwners.delete(accessKeyId)
    if (entity.kind === 'account') {
      this.#accountsByName.delete(entity.name)
      return
    }
    this.#ofAccount.get(`${entity.kind}/${entity.accountId}`)?.delete(entity.id)
    if ('name' in entity) this.#byName.delete(nameKey(entity.kind, entity.accountId, entity.name))
    if (entity.kind === 'user' || entity.kind === 'role') this.#byUniqueId.delete(entity.id)
  }
}

function keysOf(entity: Entity): (readonly [string, KeyOwner])[] {
  const { accountId } = entity
  if (entity.kind === 'account') {
    const more = (entity.moreRootKeys ?? []).map(({ accessKeyId }) => accessKeyId)
    return [...entity.rootAccessKeyIds, ...more].map((accessKeyId) => [accessKeyId, { accountId }])
  }
  if (entity.kind !== 'user') return []
  return entity.accessKeys.map(({ accessKeyId }) => [accessKeyId, { accountId, userId: entity.id }])
}

function nameKey(kind: EntityKind, accountId: string, name: string): string {
  return `${kind}/${accountId}/${name.toLowerCase()}`
}
