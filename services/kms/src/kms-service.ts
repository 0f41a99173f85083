import type { KeyRecipient, KmsService } from '@coffer/contracts'
import { type EncryptionContext, type KmsConnector, kmsError, type WrappedKey } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'

export interface KmsServiceOptions {
  readonly mesh: Mesh
  readonly connectors: readonly KmsConnector[]
  readonly defaultConnector: string
}

/** All connectors behind one door: a key id is `connector/key`, or `key` of the default connector. */
export function createKmsService({ mesh, connectors, defaultConnector }: KmsServiceOptions): KmsService {
  const connectorNamed = (name: string): KmsConnector => {
    const connector = connectors.find((one) => one.name === name)
    if (connector === undefined) throw kmsError('KMS_KEY_NOT_FOUND', { connector: name })
    return connector
  }
  const locate = (keyId: string): { connector: KmsConnector; key: string } => {
    const slashAt = keyId.indexOf('/')
    const name = slashAt === -1 ? defaultConnector : keyId.slice(0, slashAt)
    return { connector: connectorNamed(name), key: keyId.slice(slashAt + 1) }
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
      throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
    },
    async createKey(keyId) {
      const { connector, key } = locate(keyId)
      return connector.createKey(key)
    },
    async describeKey(keyId) {
      const { connector, key } = locate(keyId)
      return connector.describeKey(key)
    },
    listKeys: (query) => connectorNamed(defaultConnector).listKeys(query),
    async rotateKey(keyId) {
      const { connector, key } = locate(keyId)
      return connector.rotateKey(key)
    },
    async selfTest() {
      await Promise.all(connectors.map((connector) => connector.selfTest()))
    },
  }
}
