import type { KmsConnectorPlugin } from '../kms-connector.ts'
import { gcpAccessToken } from './gcp/gcp-credentials.ts'
import { GcpObjects } from './gcp/gcp-objects.ts'
import { GcpOptions } from './gcp/options.ts'
import { KeyObjectsConnector } from './key-objects/key-objects-connector.ts'
import { BearerClient } from './rest/bearer-client.ts'

/** Google Cloud KMS: symmetric keys that never leave it, which authenticate the encryption context as additional data. */
export const gcpConnector: KmsConnectorPlugin<GcpOptions> = {
  type: 'gcp',
  options: GcpOptions,
  async open(options, context) {
    const { address, timeoutMs, caFile } = options
    const client = new BearerClient({ address, timeoutMs, caFile, accessToken: await gcpAccessToken(options) })
    return new KeyObjectsConnector(new GcpObjects(client, options), context)
  },
}
