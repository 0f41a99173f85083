import type { KeyRecipient, KmsService, LocatedKey } from '@coffer/contracts'
import {
  type EncryptionContext,
  isAliasName,
  type KeyDescription,
  type KmsConnector,
  keyNameOf,
  kmsError,
  LOCAL_CONNECTOR,
  type RemovableRecords,
  type WrappedKey,
} from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import { AccountCounts } from './account-counts.ts'
import { AccountIndex } from './account-index.ts'
import { createKeyAliases } from './aliases.ts'
import { createAuditSigning } from './audit-signing.ts'
import { destroyDueKeys, type Forgetting } from './destroy-due-keys.ts'
import { createKeyGrants } from './grants.ts'
import { KeyChecks } from './key-checks.ts'
import { createKeySettings } from './key-settings.ts'
import { MadeByOlder } from './made-by-older.ts'
import { OwnedKeys } from './owned-keys.ts'
import { rewrapMany } from './rewrap-many.ts'
import { rotateDueKeys } from './rotate-due-keys.ts'
import { SettingsRecords } from './settings-records.ts'

export interface KmsServiceOptions {
  readonly mesh: Mesh
  readonly connectors: readonly KmsConnector[]
  readonly defaultConnector: string
  /** Where aliases and settings of keys are kept; sealed already. */
  readonly records: RemovableRecords
}

/** All connectors behind one door: a key id is `connector/key`, `key` of the default connector, or an alias. */
export function createKmsService({ mesh, connectors, defaultConnector, records }: KmsServiceOptions): KmsService {
  const connectorNamed = (name: string): KmsConnector => {
    const connector = connectors.find((one) => one.name === name)
    if (connector === undefined) throw kmsError('KMS_CONNECTOR_NOT_FOUND', { connector: name })
    return connector
  }
  const index = new AccountIndex(records, { connectors, builtIn: LOCAL_CONNECTOR })
  const counts = new AccountCounts(records, () => index.whenBuilt())
  const owned = new OwnedKeys({ records, counts, index }, defaultConnector)
  const locate = async (keyId: string): Promise<{ connector: KmsConnector; key: string }> => {
    const name = isAliasName(keyId) ? await aliases.resolve(keyId) : keyId
    const slashAt = name.indexOf('/')
    const connector = slashAt === -1 ? defaultConnector : name.slice(0, slashAt)
    return { connector: connectorNamed(connector), key: name.slice(slashAt + 1) }
  }
  const withKey = async (
    keyId: string,
    act: (connector: KmsConnector, key: string) => Promise<KeyDescription>,
  ): Promise<LocatedKey> => {
    const { connector, key } = await locate(keyId)
    return await owned.located(connector.name, await act(connector, key))
  }
  const describeKey = (keyId: string) => withKey(keyId, (connector, key) => connector.describeKey(key))
  const rotateKey = (keyId: string) => withKey(keyId, (connector, key) => connector.rotateKey(key))
  const rewrap = async (wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey> => {
    const { connector, key } = await locate(keyId)
    if (connector.name === wrapped.connector) return connector.rewrap(wrapped, context, key)
    // From one KMS to another: the data key is in the clear here, for a moment.
    const plaintext = await connectorNamed(wrapped.connector).decrypt(wrapped, context)
    try {
      return await connector.encrypt(plaintext, key, context)
    } finally {
      plaintext.wipe()
    }
  }
  const aliases = createKeyAliases({ records, counts, index }, describeKey)
  const nameOf = async (keyId: string): Promise<string> => {
    const { connector, key } = await locate(keyId)
    return keyNameOf({ connector: connector.name, keyId: key })
  }
  const { forgetGrants, ...grants } = createKeyGrants(records, describeKey, nameOf)
  const forget: Forgetting = {
    async names(key) {
      const name = keyNameOf(key)
      await aliases.forgetKey(key, await owned.ownerOf(name))
      await forgetGrants(name)
    },
    settings: (key) => owned.forget(key),
  }
  const older = new MadeByOlder(records, index, counts)
  const checks = new KeyChecks(records, { connectors, forget })
  return {
    ...aliases,
    ...grants,
    ...createKeySettings(records, describeKey),
    ...createAuditSigning(records),
    getKeyUsage: (owner) => counts.usageOf(owner),
    setKeyQuota: (owner, quota) => counts.setQuota(owner, quota),
    async findKeyPolicy(keyId, { aliases: withAliases = false } = {}) {
      const { connector, key } = await locate(keyId)
      const found = { connector: connector.name, keyId: key, defaultConnector }
      const { settings } = await new SettingsRecords(records).find(keyNameOf(found))
      const { ownerAccountId, policy, policyPrincipals, tags } = settings
      return {
        ...found,
        tags,
        ...(withAliases && { aliases: await aliases.namesOf(found) }),
        ...(ownerAccountId !== undefined && { ownerAccountId }),
        ...(policy !== undefined && { policy }),
        ...(policyPrincipals !== undefined && { policyPrincipals }),
      }
    },
    rotateDueKeys: () => rotateDueKeys(records, { describeKey, rotateKey }),
    async generateDataKey(keyId: string, context: EncryptionContext, recipient: KeyRecipient) {
      const { connector, key } = await locate(keyId)
      const { plaintext, wrapped } = await connector.generateDataKey(key, context)
      return { plaintext: mesh.parcel(plaintext, recipient, 'data-key', context), wrapped }
    },
    async decrypt(wrapped: WrappedKey, context: EncryptionContext, recipient: KeyRecipient) {
      const plaintext = await connectorNamed(wrapped.connector).decrypt(wrapped, context)
      return mesh.parcel(plaintext, recipient, 'data-key', context)
    },
    rewrap,
    async rewrapMany(items, keyId) {
      // Once for all: an alias may name another key in the next moment.
      const to = await locate(keyId)
      const name = keyNameOf({ connector: to.connector.name, keyId: to.key })
      return await rewrapMany(items, to, ({ wrapped, context }) => rewrap(wrapped, context, name))
    },
    async createKey(keyId, settings) {
      const { connector, key } = await locate(keyId)
      return await owned.create({ connector, key, make: () => connector.createKey(key) }, settings)
    },
    keyRecipient: async () => mesh.recipient(),
    async importKey(keyId, parcel, settings) {
      const material = mesh.unparcel(parcel, 'imported-key', keyId)
      try {
        const { connector, key } = await locate(keyId)
        const make = connector.importKey?.bind(connector, key, material)
        if (make === undefined) {
          throw kmsError('KMS_NOT_SUPPORTED', { connector: connector.name, operation: 'importKey' })
        }
        return await owned.create({ connector, key, make }, settings)
      } finally {
        material.wipe()
      }
    },
    describeKey,
    listKeys: (query) => owned.list(connectorNamed(query.connector ?? defaultConnector), query),
    rotateKey,
    enableKey: (keyId) => withKey(keyId, (connector, key) => connector.enableKey(key)),
    disableKey: (keyId) => withKey(keyId, (connector, key) => connector.disableKey(key)),
    async scheduleKeyDeletion(keyId, pendingDays) {
      // Once: an alias may name another key in the next moment.
      const { connector, key } = await locate(keyId)
      const name = keyNameOf({ connector: connector.name, keyId: key })
      const { versions } = await mesh.use('rotation').keyUse(name)
      if (versions.length > 0) {
        const objectCount = versions.reduce((sum, use) => sum + use.objectCount, 0)
        throw kmsError('KMS_KEY_IN_USE', {
          keyId,
          objectCount,
          versions: versions.map(({ version }) => version).join(' '),
        })
      }
      const scheduled = await connector.scheduleKeyDeletion(key, pendingDays)
      await checks.planAfterDeletion(connector, scheduled)
      return await owned.located(connector.name, scheduled)
    },
    cancelKeyDeletion: (keyId) => withKey(keyId, (connector, key) => connector.cancelKeyDeletion(key)),
    async destroyDueKeys() {
      await older.takeUpOnce()
      await checks.makeDue()
      return await destroyDueKeys(mesh, connectors, forget, checks)
    },
    async listConnectors() {
      const others = connectors.map(({ name }) => name).filter((name) => name !== defaultConnector)
      return [defaultConnector, ...others]
    },
    async selfTest() {
      await Promise.all(connectors.map((connector) => connector.selfTest()))
    },
  }
}
