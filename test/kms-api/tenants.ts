import type { KMSClient } from '@aws-sdk/client-kms'
import type { S3Client } from '@aws-sdk/client-s3'
import { cofferJson } from '../harness/coffer-command.ts'
import { failureOf, s3Client } from '../harness/s3.ts'
import type { SigningKeys } from '../harness/sigv4-client.ts'
import type { CofferServer } from '../harness/start-server.ts'
import { kmsClient } from './kms-client.ts'

export interface Tenant {
  readonly accountId: string
  /** Of its root. */
  readonly keys: SigningKeys
  readonly kms: KMSClient
  readonly s3: S3Client
}

export async function newTenant(server: CofferServer, name: string): Promise<Tenant> {
  const { account, accessKey } = await cofferJson<{ account: { accountId: string }; accessKey: SigningKeys }>(server, [
    ...['account', 'create', name],
  ])
  const target = { ...server, ...accessKey }
  return { accountId: account.accountId, keys: accessKey, kms: kmsClient(target), s3: s3Client(target) }
}

/** The code that a request is told, or `done`. */
export function outcomeOf(request: Promise<unknown>): Promise<string> {
  return failureOf(request).then(
    ({ code }) => code,
    () => 'done',
  )
}
