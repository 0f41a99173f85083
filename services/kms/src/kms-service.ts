import type { KeyRecipient, KmsService, LocatedKey } from '@coffer/contracts'
import { type EncryptionContext, type KeyDescription, type KmsConnector, kmsError, type WrappedKey } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import { destroyDueKeys } from './destroy-due-keys.ts'

export interface KmsServiceOptions {
  readonly mesh: Mesh
  readonly connectors: readonly KmsConnector[]
  readonly defaultConnector: string
}

/** All connectors behind one door: a key id is `connector/key`, or `key` of the default connector. */
export function createKmsService({ mesh, connectors, defaultConnector }: KmsServiceOptions): KmsService {
  const connectorNamed = (name: string): KmsConnector => {
    const connector = connectors.find((one) => one.name === name)
    if (connector === undefined) throw kmsError('KMS_CONNECTOR_NOT_FOUND', { connector: name })
    return connector
  }
  const locate = (keyId: string): { connector: KmsConnector; key: string } => {
    const slashAt = keyId.indexOf('/')
    const name = slashAt === -1 ? defaultConnector : keyId.slice(0, slashAt)
    return { connector: connectorNamed(name), key: keyId.slice(slashAt + 1) }
  }
  const withKey = async (
    keyId: string,
    act: (connector: KmsConnector, key: string) => Promise<KeyDescription>,
  ): Promise<LocatedKey> => {
    const { connector, key } = locate(keyId)
    return { ...(await act(connector, key)), connector: connector.name }
  }
  return {
    async generateDataKey(keyId: string, context: EncryptionContext, recipient: KeyRecipient) {
      const { connector, key } = locate(keyId)
      const { plaintext, wrapped } = await connector.generateDataKey(key, context)
      return { plaintext: mesh.parcel(plaintext, recipient, 'data-key', context), wrapped }
    },
    async decrypt(wrapped: WrappedKey, context: EncryptionContext, recipient: KeyRecipient) {
      const plaintext = await connectorNamed(wrapped.connector).decrypt(wrapped, context)
      return mesh.parcel(plaintext, recipient, 'data-key', context)
    },
    async rewrap(wrapped, context, keyId) {
      const { connector, key } = locate(keyId)
      if (connector.name === wrapped.connector) return connector.rewrap(wrapped, context, key)
      // From one KMS to another: the data key is in the clear here, for a moment.
      const plaintext = await connectorNamed(wrapped.connector).decrypt(wrapped, context)
      try {
        return await connector.encrypt(plaintext, key, context)
      } finally {
        plaintext.wipe()
      }
    },
    createKey: (keyId) => withKey(keyId, (connector, key) => connector.createKey(key)),
    keyRecipient: async () => mesh.recipient(),
    async importKey(keyId, parcel) {
      const material = mesh.unparcel(parcel, 'imported-key', keyId)
      try {
        return await withKey(keyId, async (connector, key) => {
          if (connector.importKey === undefined) {
            throw kmsError('KMS_NOT_SUPPORTED', { connector: connector.name, operation: 'importKey' })
          }
          return await connector.importKey(key, material)
        })
      } finally {
        material.wipe()
      }
    },
    describeKey: (keyId) => withKey(keyId, (connector, key) => connector.describeKey(key)),
    async listKeys({ connector: name = defaultConnector, afterKeyId, limit }) {
      const keys = await connectorNamed(name).listKeys({ afterKeyId, limit })
      return keys.map((key) => ({ ...key, connector: name }))
    },
    rotateKey: (keyId) => withKey(keyId, (connector, key) => connector.rotateKey(key)),
    enableKey: (keyId) => withKey(keyId, (connector, key) => connector.enableKey(key)),
    disableKey: (keyId) => withKey(keyId, (connector, key) => connector.disableKey(key)),
    async scheduleKeyDeletion(keyId, pendingDays) {
      const { versions } = await mesh.use('rotation').keyUse(keyId)
      if (versions.length > 0) {
        const objectCount = versions.reduce((sum, use) => sum + use.objectCount, 0)
        throw kmsError('KMS_KEY_IN_USE', {
          keyId,
          objectCount,
          versions: versions.map(({ version }) => version).join(' '),
        })
      }
      return withKey(keyId, (connector, key) => connector.scheduleKeyDeletion(key, pendingDays))
    },
    cancelKeyDeletion: (keyId) => withKey(keyId, (connector, key) => connector.cancelKeyDeletion(key)),
    destroyDueKeys: () => destroyDueKeys(mesh, connectors),
    async listConnectors() {
      const others = connectors.map(({ name }) => name).filter((name) => name !== defaultConnector)
      return [defaultConnector, ...others]
    },
    async selfTest() {
      await Promise.all(connectors.map((connector) => connector.selfTest()))
    },
  }
}
