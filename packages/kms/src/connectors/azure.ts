import type { KmsConnectorPlugin } from '../kms-connector.ts'
import { azureTokens } from './azure/azure-credentials.ts'
import { KeyVault } from './azure/key-vault.ts'
import { managedHsmObjects } from './azure/managed-hsm-objects.ts'
import { AzureOptions } from './azure/options.ts'
import { RsaObjects } from './azure/rsa-objects.ts'
import { KeyObjectsConnector } from './key-objects/key-objects-connector.ts'
import { BearerClient } from './rest/bearer-client.ts'

/** Azure: RSA keys of a Key Vault, or AES keys of a Managed HSM, which never leave it (Key Vault REST API, 7.4). */
export const azureConnector: KmsConnectorPlugin<AzureOptions> = {
  type: 'azure',
  options: AzureOptions,
  async open(options, context) {
    const { vault: address, timeoutMs, caFile, keyPrefix, keyType } = options
    const tokens = await azureTokens(options)
    const client = new BearerClient({
      address,
      timeoutMs,
      caFile,
      accessToken: () => tokens.accessToken(),
      closeTokens: () => tokens.close(),
    })
    const vault = new KeyVault(client, keyPrefix)
    const objects =
      keyType === 'oct-HSM' ? managedHsmObjects(vault) : new RsaObjects(vault, { isHsm: keyType === 'RSA-HSM' })
    return new KeyObjectsConnector(objects, context)
  },
}
