import type { KeyAlias, KeyOwner } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { type KmsConnector, type KmsRecordChange, keyNameOf, type RemovableRecords } from '@coffer/kms'
import { type AccountCount, accountNameOf, encodeCount, ownerNamed } from './account-counts.ts'
import { ALL_ALIASES, aliasOwnerOf, decodeAlias } from './alias-records.ts'
import { readable, readableRecords, textOf, unlessDamaged } from './readable-pages.ts'
import { SettingsRecords } from './settings-records.ts'

const KEYS = 'account-key/'
const ALIASES = 'key-alias/'
/** Beside the counts of accounts, whose names are other ones: that older records are all in the index. */
const BUILT = 'account-count/built'
const ENTRY = Buffer.from(JSON.stringify({ format: 1 }))
const PAGE = 500

export type KeyPlace = Pick<KeyAlias, 'connector' | 'keyId'>

/** The built-in connector: in it are only keys that were made here. */
export interface OurKeys {
  readonly connectors: readonly KmsConnector[]
  readonly builtIn: string
}

/**
 * Which keys an account has, `account-key/<account>/<connector>/<key>`, and which aliases a key has, `key-alias/<connector>/<key>/<alias>`: so that
 * who asks for its own reads nothing of others'. Entries are written with what they tell of; those of a store that is older than the index are made
 * at its first use.
 */
export class AccountIndex {
  readonly #records: RemovableRecords
  readonly #ours: OurKeys
  #building: Promise<void> | undefined

  constructor(records: RemovableRecords, ours: OurKeys) {
    this.#records = records
    this.#ours = ours
  }

  /** Whether all keys of the account in this connector are in the index: others make keys for the first account in their own KMS. */
  isWhole(owner: KeyOwner, connector: string): boolean {
    return owner.ownerAccountId !== undefined || connector === this.#ours.builtIn
  }

  async whenBuilt(): Promise<void> {
    this.#building ??= this.#build().catch((error: unknown) => {
      this.#building = undefined
      throw error
    })
    await this.#building
  }

  async hasKey(owner: KeyOwner, key: KeyPlace): Promise<boolean> {
    return (await this.#records.find(keyEntry(owner, key).id)) !== undefined
  }

  async hasAlias(key: KeyPlace, alias: string): Promise<boolean> {
    return (await this.#records.find(aliasEntry(key, alias).id)) !== undefined
  }

  /** Ids in the order of their names, strictly after `afterKeyId`. */
  async keysOf(owner: KeyOwner, query: { connector: string; afterKeyId: string; limit: number }) {
    const prefix = `${KEYS}${accountNameOf(owner)}/${query.connector}/`
    return await this.#namesAfter(prefix, query.afterKeyId, query.limit)
  }

  /** Names in their order, strictly after `afterAlias`. */
  async aliasesOf(key: KeyPlace, { afterAlias, limit }: { afterAlias: string; limit: number }) {
    return await this.#namesAfter(`${ALIASES}${keyNameOf(key)}/`, afterAlias, limit)
  }

  async #namesAfter(prefix: string, after: string, limit: number): Promise<readonly string[]> {
    await this.whenBuilt()
    const page = await this.#records.list({ prefix, afterId: after && prefix + after, limit })
    return page.map(({ id }) => id.slice(prefix.length))
  }

  /** Two processes that do so at once make the same entries; the counts are those of the one that ends first. */
  async #build(): Promise<void> {
    if ((await this.#records.find(BUILT)) !== undefined) return
    const counts = new Map<string, AccountCount>()
    const add = (owner: KeyOwner, added: Partial<AccountCount>) => {
      const { keyCount, aliasCount } = counts.get(accountNameOf(owner)) ?? { keyCount: 0, aliasCount: 0 }
      counts.set(accountNameOf(owner), {
        keyCount: keyCount + (added.keyCount ?? 0),
        aliasCount: aliasCount + (added.aliasCount ?? 0),
      })
    }
    let entries: KmsRecordChange[] = []
    const write = async (entry?: KmsRecordChange) => {
      if (entry) entries.push(entry)
      if (entry ? entries.length < PAGE : entries.length === 0) return
      await this.#records.change(entries)
      entries = []
    }
    for await (const { owner, key } of this.keysThere()) {
      add(owner, { keyCount: 1 })
      await write(keyEntry(owner, key))
    }
    for await (const { owner, alias } of this.aliasesThere()) {
      add(owner, { aliasCount: 1 })
      await write(aliasEntry(alias, alias.alias))
    }
    await write()
    const counted = [...counts].map(([account, count]) => ({ ...encodeCount(account, count), expectedRevision: 0 }))
    const built = { id: BUILT, value: ENTRY, expectedRevision: 0 }
    await this.#records.change([...counted, built]).catch((error: unknown) => {
      if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
    })
  }

  /** Whether they are in the index or not; of the first account those of the built-in connector. */
  async *keysThere(): AsyncGenerator<{ owner: KeyOwner; key: KeyPlace }> {
    const settings = new SettingsRecords(this.#records)
    for await (const { name, settings: found } of settings.allReadable()) {
      const [connector = '', keyId = ''] = name.split('/', 2)
      if (found.ownerAccountId !== undefined) yield { owner: found, key: { connector, keyId } }
    }
    const builtIn = this.#ours.connectors.find(({ name }) => name === this.#ours.builtIn)
    if (builtIn === undefined) return
    const connector = builtIn.name
    const all = readable({
      page: (afterKeyId, limit) => builtIn.listKeys({ afterKeyId, limit }),
      idOf: ({ keyId }) => keyId,
      damagedIdOf: ({ details }) => textOf(details.keyId),
    })
    for await (const { keyId, state } of all) {
      if (state === 'destroyed') continue
      const found = await unlessDamaged(() => settings.find(keyNameOf({ connector, keyId })))
      if (found !== undefined && found.settings.ownerAccountId === undefined)
        yield { owner: {}, key: { connector, keyId } }
    }
  }

  async *aliasesThere(): AsyncGenerator<{ owner: KeyOwner; alias: KeyAlias }> {
    for (const prefix of ALL_ALIASES) {
      for await (const { id, value } of readableRecords(this.#records, prefix))
        yield { owner: aliasOwnerOf(id), alias: decodeAlias(value) }
    }
  }

  async *keysIndexed(): AsyncGenerator<{ owner: KeyOwner; key: KeyPlace }> {
    for await (const { id } of readableRecords(this.#records, KEYS)) {
      const [account = '', connector = '', keyId = ''] = id.slice(KEYS.length).split('/')
      yield { owner: ownerNamed(account), key: { connector, keyId } }
    }
  }

  async *aliasesIndexed(): AsyncGenerator<{ key: KeyPlace; alias: string }> {
    for await (const { id } of readableRecords(this.#records, ALIASES)) {
      const [connector = '', keyId = '', ...alias] = id.slice(ALIASES.length).split('/')
      yield { key: { connector, keyId }, alias: alias.join('/') }
    }
  }
}

export function keyEntry(owner: KeyOwner, key: KeyPlace): Required<Pick<KmsRecordChange, 'id' | 'value'>> {
  return { id: `${KEYS}${accountNameOf(owner)}/${keyNameOf(key)}`, value: ENTRY }
}

export function aliasEntry(key: KeyPlace, alias: string): Required<Pick<KmsRecordChange, 'id' | 'value'>> {
  return { id: `${ALIASES}${keyNameOf(key)}/${alias}`, value: ENTRY }
}
