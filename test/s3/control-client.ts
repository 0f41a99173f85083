import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { S3ControlClient } from '@aws-sdk/client-s3-control'
import type { ClientTarget } from '../harness/s3.ts'

const LOOPBACK = '127.0.0.1'

/**
 * The AWS SDK for S3 Control, trusting only the server's CA file. It does not retry. It puts the account into the host's name
 * (`<account>.localhost`), which not every machine can resolve, and for which Node takes no wildcard: the CA is checked, the name is not.
 */
export function s3ControlClient({ endpoint, accessKeyId, secretAccessKey, caFile }: ClientTarget): S3ControlClient {
  return new S3ControlClient({
    endpoint: `https://localhost:${new URL(endpoint).port}`,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: 60_000,
      httpsAgent: new Agent({
        ca: readFileSync(caFile),
        checkServerIdentity: () => undefined,
        lookup: (_host, { all }, found) =>
          all ? found(null, [{ address: LOOPBACK, family: 4 }]) : found(null, LOOPBACK, 4),
      }),
    },
  })
}
