import type { KmsConnectorPlugin } from '../kms-connector.ts'
import { keyObjectsOf } from './gcm-objects/gcm-objects.ts'
import { KeyObjectsConnector } from './key-objects/key-objects-connector.ts'
import { Hsm } from './pkcs11/hsm.ts'
import { HsmObjects } from './pkcs11/hsm-objects.ts'
import { Pkcs11Options } from './pkcs11/options.ts'

/**
 * A hardware security module, by PKCS #11 (OASIS, Cryptographic Token Interface, v2.40): AES-256 keys that never leave the
 * token, which encrypts and decrypts with AES-GCM and authenticates the encryption context as additional data.
 */
export const pkcs11Connector: KmsConnectorPlugin<Pkcs11Options> = {
  type: 'pkcs11',
  options: Pkcs11Options,
  async open(options, context) {
    const objects = new HsmObjects(new Hsm(options, context.records), options.keyPrefix)
    return new KeyObjectsConnector(keyObjectsOf(objects), context)
  },
}
