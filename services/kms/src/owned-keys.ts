import type { KeyOwner, KmsService, LocatedKey, NewKeySettings } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import {
  type KeyDescription,
  type KmsConnector,
  keyNameOf,
  kmsError,
  type RemovableRecords,
  SERVER_KEY_ID,
} from '@coffer/kms'
import { SettingsRecords } from './settings-records.ts'

const PAGE = 500
/** After any other failure there may be the key all the same. */
const REFUSALS: readonly string[] = [
  'KMS_ACCESS_DENIED',
  'KMS_KEY_ID_INVALID',
  'KMS_KEY_MATERIAL_INVALID',
  'KMS_NOT_SUPPORTED',
]

interface NewKey {
  readonly connector: KmsConnector
  readonly key: string
  /** In the connector. */
  readonly make: () => Promise<KeyDescription>
}

/** Whose keys are. What no record says is of the first account: keys of before there were owners, and those that others made in their KMS. */
export class OwnedKeys {
  readonly #settings: SettingsRecords
  readonly #defaultConnector: string

  constructor(records: RemovableRecords, defaultConnector: string) {
    this.#settings = new SettingsRecords(records)
    this.#defaultConnector = defaultConnector
  }

  async located(connector: string, key: KeyDescription): Promise<LocatedKey> {
    return { ...key, connector, ...(await this.ownerOf(keyNameOf({ connector, keyId: key.keyId }))) }
  }

  async ownerOf(keyName: string): Promise<KeyOwner> {
    const { ownerAccountId } = (await this.#settings.find(keyName)).settings
    return ownerAccountId === undefined ? {} : { ownerAccountId }
  }

  async list(
    connector: KmsConnector,
    { ownedBy, afterKeyId, limit }: Parameters<KmsService['listKeys']>[0],
  ): Promise<readonly LocatedKey[]> {
    const found: LocatedKey[] = []
    const pageSize = ownedBy === undefined ? limit : PAGE
    for (let after = afterKeyId; ; ) {
      const page = await connector.listKeys({ afterKeyId: after, limit: pageSize })
      const keys = await Promise.all(page.map((key) => this.located(connector.name, key)))
      found.push(...keys.filter((key) => ownedBy === undefined || key.ownerAccountId === ownedBy.ownerAccountId))
      const last = page.at(-1)
      if (found.length >= limit || last === undefined || page.length < pageSize) return found.slice(0, limit)
      after = last.keyId
    }
  }

  /**
   * A key and its settings, which are there first: so that no key is another account's for a moment. A key that is there already, made here or in its
   * KMS, never changes its owner by this. KMS_KEY_EXISTS.
   */
  async create({ connector, key, make }: NewKey, settings: NewKeySettings | undefined): Promise<LocatedKey> {
    if (settings === undefined) return await this.located(connector.name, await make())
    if (connector.name === this.#defaultConnector && key === SERVER_KEY_ID && settings.ownerAccountId !== undefined) {
      throw kmsError('KMS_KEY_EXISTS', { keyId: key })
    }
    const name = keyNameOf({ connector: connector.name, keyId: key })
    const before = await this.#settings.find(name)
    // What an earlier attempt left, whose KMS did not answer.
    const isOthers = before.revision > 0 && before.settings.ownerAccountId !== settings.ownerAccountId
    if (isOthers || (await isThere(connector, key))) throw kmsError('KMS_KEY_EXISTS', { keyId: key })
    const put = { ...before.settings, ...settings }
    await this.#settings.put(name, put, before.revision).catch((error: unknown) => {
      throw isCofferError(error, 'META_RECORD_CHANGED') ? kmsError('KMS_KEY_EXISTS', { keyId: key }) : error
    })
    try {
      return await this.located(connector.name, await make())
    } catch (error) {
      if (isCofferError(error) && REFUSALS.includes(error.code)) await this.#settings.remove(name)
      throw error
    }
  }
}

async function isThere(connector: KmsConnector, keyId: string): Promise<boolean> {
  try {
    await connector.describeKey(keyId)
    return true
  } catch (error) {
    if (isCofferError(error, 'KMS_KEY_NOT_FOUND')) return false
    throw error
  }
}
