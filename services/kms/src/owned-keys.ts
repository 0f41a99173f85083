import type { KeyOwner, KmsService, LocatedKey, NewKeySettings } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import {
  type KeyDescription,
  type KmsConnector,
  keyNameOf,
  kmsError,
  type RemovableRecords,
  SERVER_KEY_ID,
  type WrappingKey,
} from '@coffer/kms'
import type { AccountCounts, CountedChange } from './account-counts.ts'
import { type AccountIndex, keyEntry } from './account-index.ts'
import { checkId, checkOfNewKey } from './key-checks.ts'
import { SettingsRecords, settingsChange } from './settings-records.ts'

const PAGE = 500
/** Calls to a KMS at once for a page. */
const CONCURRENCY = 16
/** After any other failure there may be the key all the same. */
const REFUSALS: readonly string[] = [
  'KMS_ACCESS_DENIED',
  'KMS_KEY_ID_INVALID',
  'KMS_KEY_MATERIAL_INVALID',
  'KMS_NOT_SUPPORTED',
]

export interface OwnedKeysOptions {
  readonly records: RemovableRecords
  readonly counts: AccountCounts
  readonly index: AccountIndex
}

/** `next`: where the page after it begins; absent: it is the last. */
interface KeyPage {
  readonly keys: readonly LocatedKey[]
  readonly next?: string
}

type KeyPlace = Pick<WrappingKey, 'connector' | 'keyId'>

interface NewKey {
  readonly connector: KmsConnector
  readonly key: string
  /** In the connector. */
  readonly make: () => Promise<KeyDescription>
}

/** Whose keys are. What no record says is of the first account: keys of before there were owners, and those that others made in their KMS. */
export class OwnedKeys {
  readonly #records: RemovableRecords
  readonly #settings: SettingsRecords
  readonly #counts: AccountCounts
  readonly #index: AccountIndex
  readonly #defaultConnector: string

  constructor({ records, counts, index }: OwnedKeysOptions, defaultConnector: string) {
    this.#records = records
    this.#settings = new SettingsRecords(records)
    this.#counts = counts
    this.#index = index
    this.#defaultConnector = defaultConnector
  }

  async located(connector: string, key: KeyDescription): Promise<LocatedKey> {
    return { ...key, connector, ...(await this.ownerOf(keyNameOf({ connector, keyId: key.keyId }))) }
  }

  async ownerOf(keyName: string): Promise<KeyOwner> {
    return ownerIn((await this.#settings.find(keyName)).settings)
  }

  async list(connector: KmsConnector, query: Parameters<KmsService['listKeys']>[0]): Promise<readonly LocatedKey[]> {
    const { ownedBy, afterKeyId, limit } = query
    if (ownedBy === undefined) return (await this.#page(connector, afterKeyId, limit)).keys
    const pageOf = this.#index.isWhole(ownedBy, connector.name)
      ? (after: string) => this.#indexedPage(connector, ownedBy, after, limit)
      : (after: string) => this.#page(connector, after, PAGE)
    const listed: LocatedKey[] = []
    for (let after: string | undefined = afterKeyId; after !== undefined && listed.length < limit; ) {
      const page: KeyPage = await pageOf(after)
      listed.push(...page.keys.filter((key) => key.ownerAccountId === ownedBy.ownerAccountId))
      after = page.next
    }
    return listed.slice(0, limit)
  }

  /**
   * A key and its settings, which are there first: so that no key is another account's for a moment. A key that is there already, made here or in its
   * KMS, never changes its owner by this. KMS_KEY_EXISTS, KMS_QUOTA_EXCEEDED.
   */
  async create({ connector, key: keyId, make }: NewKey, settings: NewKeySettings | undefined): Promise<LocatedKey> {
    const isServers = connector.name === this.#defaultConnector && keyId === SERVER_KEY_ID
    if (isServers && settings?.ownerAccountId !== undefined) throw kmsError('KMS_KEY_EXISTS', { keyId })
    const key = { connector: connector.name, keyId }
    const name = keyNameOf(key)
    const before = await this.#settings.find(name)
    // What an earlier attempt left, whose KMS did not answer.
    const isOthers = before.revision > 0 && before.settings.ownerAccountId !== settings?.ownerAccountId
    if (isOthers || (await isThere(connector, keyId))) throw kmsError('KMS_KEY_EXISTS', { keyId })
    const owner = ownerIn(settings ?? {})
    const plan = async (): Promise<CountedChange> => {
      // Somebody else makes it at this moment.
      if ((await this.#settings.find(name)).revision !== before.revision) throw kmsError('KMS_KEY_EXISTS', { keyId })
      const put = settings && settingsChange(name, { ...before.settings, ...settings }, before.revision)
      return {
        changes: [keyEntry(owner, key), checkOfNewKey(key), ...(put ? [put] : [])],
        keysAdded: (await this.#index.hasKey(owner, key)) ? 0 : 1,
      }
    }
    await this.#counts.change(owner, plan, { isFree: settings === undefined })
    try {
      const made = await this.located(connector.name, await make())
      await this.#records.remove(checkId(key))
      return made
    } catch (error) {
      if (isCofferError(error) && REFUSALS.includes(error.code)) await this.forget(key)
      throw error
    }
  }

  /** Whose it is, and all that is kept of it but its names. */
  async forget(key: KeyPlace): Promise<void> {
    const name = keyNameOf(key)
    const owner = await this.ownerOf(name)
    await this.#counts.change(owner, async () => ({
      changes: [{ id: keyEntry(owner, key).id }, { id: checkId(key) }, settingsChange(name)],
      keysAdded: (await this.#index.hasKey(owner, key)) ? -1 : 0,
    }))
  }

  async #page(connector: KmsConnector, afterKeyId: string, limit: number): Promise<KeyPage> {
    const page = await connector.listKeys({ afterKeyId, limit })
    const keys = await Promise.all(page.map((key) => this.located(connector.name, key)))
    const last = page.at(-1)
    return { keys, ...(last !== undefined && page.length === limit && { next: last.keyId }) }
  }

  async #indexedPage(connector: KmsConnector, owner: KeyOwner, afterKeyId: string, limit: number): Promise<KeyPage> {
    const ids = await this.#index.keysOf(owner, { connector: connector.name, afterKeyId, limit })
    const keys: LocatedKey[] = []
    for (let start = 0; start < ids.length; start += CONCURRENCY) {
      const some = ids.slice(start, start + CONCURRENCY)
      for (const key of await Promise.all(some.map((id) => found(connector, id)))) {
        // One that its KMS has not made, or has erased, is not told.
        if (key !== undefined) keys.push(await this.located(connector.name, key))
      }
    }
    const last = ids.at(-1)
    return { keys, ...(last !== undefined && ids.length === limit && { next: last }) }
  }
}

async function isThere(connector: KmsConnector, keyId: string): Promise<boolean> {
  return (await found(connector, keyId)) !== undefined
}

async function found(connector: KmsConnector, keyId: string): Promise<KeyDescription | undefined> {
  try {
    return await connector.describeKey(keyId)
  } catch (error) {
    if (isCofferError(error, 'KMS_KEY_NOT_FOUND')) return undefined
    throw error
  }
}

function ownerIn({ ownerAccountId }: KeyOwner): KeyOwner {
  return ownerAccountId === undefined ? {} : { ownerAccountId }
}
