import type { KmsConnectorPlugin } from '../kms-connector.ts'
import { keyObjectsOf } from './gcm-objects/gcm-objects.ts'
import { KeyObjectsConnector } from './key-objects/key-objects-connector.ts'
import { KmipClient } from './kmip/kmip-client.ts'
import { KmipObjects } from './kmip/kmip-objects.ts'
import { KmipOptions } from './kmip/options.ts'

/**
 * A key manager that speaks KMIP (OASIS, Key Management Interoperability Protocol, 1.4 or 2.0): AES-256 keys that never leave
 * the server, which encrypts and decrypts with AES-GCM and authenticates the encryption context as additional data.
 */
export const kmipConnector: KmsConnectorPlugin<KmipOptions> = {
  type: 'kmip',
  options: KmipOptions,
  async open(options, context) {
    const objects = new KmipObjects(await KmipClient.open(options), options.keyPrefix)
    return new KeyObjectsConnector(keyObjectsOf(objects), context)
  },
}
