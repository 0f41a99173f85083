import type { KeyOwner } from '@coffer/contracts'
import { keyNameOf, type RemovableRecords } from '@coffer/kms'
import type { AccountCounts } from './account-counts.ts'
import { type AccountIndex, aliasEntry, type KeyPlace, keyEntry } from './account-index.ts'
import { aliasPrefixOf, decodeAlias } from './alias-records.ts'
import { unlessDamaged } from './readable-pages.ts'
import { SettingsRecords } from './settings-records.ts'

/**
 * What processes of a version without the index have made and removed beside this one, while a mesh is upgraded: taken up once, when this process
 * has taken the place of such a one.
 */
export class MadeByOlder {
  readonly #records: RemovableRecords
  readonly #settings: SettingsRecords
  readonly #index: AccountIndex
  readonly #counts: AccountCounts
  #isDone = false

  constructor(records: RemovableRecords, index: AccountIndex, counts: AccountCounts) {
    this.#records = records
    this.#settings = new SettingsRecords(records)
    this.#index = index
    this.#counts = counts
  }

  async takeUpOnce(): Promise<void> {
    if (this.#isDone) return
    await this.#index.whenBuilt()
    for await (const { owner, key } of this.#index.keysThere()) await unlessDamaged(() => this.#addKey(owner, key))
    for await (const { owner, key } of this.#index.keysIndexed()) await unlessDamaged(() => this.#removeKey(owner, key))
    for await (const { owner, alias } of this.#index.aliasesThere())
      await unlessDamaged(() => this.#addAlias(owner, alias, alias.alias))
    for await (const { key, alias } of this.#index.aliasesIndexed())
      await unlessDamaged(() => this.#removeAlias(key, alias))
    this.#isDone = true
  }

  async #addKey(owner: KeyOwner, key: KeyPlace): Promise<void> {
    const isIn = () => this.#index.hasKey(owner, key)
    if (await isIn()) return
    const plan = async () => ((await isIn()) ? { changes: [] } : { changes: [keyEntry(owner, key)], keysAdded: 1 })
    await this.#counts.change(owner, plan, { isFree: true })
  }

  /** One of the first account stays: it has no record that says whose it is, and is told no longer when it is erased. */
  async #removeKey(owner: KeyOwner, key: KeyPlace): Promise<void> {
    if (owner.ownerAccountId === undefined) return
    const isThere = async () => (await this.#settings.find(keyNameOf(key))).revision > 0
    if (await isThere()) return
    await this.#counts.change(owner, async () =>
      (await isThere()) || !(await this.#index.hasKey(owner, key))
        ? { changes: [] }
        : { changes: [{ id: keyEntry(owner, key).id }], keysAdded: -1 },
    )
  }

  async #addAlias(owner: KeyOwner, key: KeyPlace, alias: string): Promise<void> {
    const isMissing = async () => !(await this.#index.hasAlias(key, alias)) && (await this.#names(owner, key, alias))
    if (!(await isMissing())) return
    const plan = async () =>
      (await isMissing()) ? { changes: [aliasEntry(key, alias)], aliasesAdded: 1 } : { changes: [] }
    await this.#counts.change(owner, plan, { isFree: true })
  }

  async #removeAlias(key: KeyPlace, alias: string): Promise<void> {
    const owner = (await this.#settings.find(keyNameOf(key))).settings
    const isLeft = async () => (await this.#index.hasAlias(key, alias)) && !(await this.#names(owner, key, alias))
    if (!(await isLeft())) return
    await this.#counts.change(owner, async () =>
      (await isLeft()) ? { changes: [{ id: aliasEntry(key, alias).id }], aliasesAdded: -1 } : { changes: [] },
    )
  }

  /** Whether the alias names this key. */
  async #names(owner: KeyOwner, key: KeyPlace, alias: string): Promise<boolean> {
    const record = await this.#records.find(aliasPrefixOf(owner) + alias)
    return record !== undefined && keyNameOf(decodeAlias(record.value)) === keyNameOf(key)
  }
}
