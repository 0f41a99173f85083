import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PutBucketReplicationCommand, type ReplicationRule, type S3Client } from '@aws-sdk/client-s3'
import type { ClientTarget } from '../harness/s3.ts'
import { type CofferServer, startServer, temporaryDirectory } from '../harness/start-server.ts'

const ROLE = 'arn:aws:iam::123456789012:role/replication'

/** Where one store replicates to: the file that COFFER_REPLICATION_FILE names, which is read at a start. */
export class ReplicationFile {
  readonly path: string
  readonly #directory = temporaryDirectory('replication')

  constructor() {
    this.path = join(this.#directory, 'replication.json')
    writeFileSync(this.path, JSON.stringify({ destinations: {} }))
  }

  /** Buckets of the other store, by ARN; `bucket`: where its name is another one than the ARN's. */
  write(
    target: ClientTarget,
    arns: readonly string[],
    changes: { secretAccessKey?: string; accessKeyId?: string; attemptsMax?: number; lateSeconds?: number } = {},
  ) {
    const secretAccessKeyFile = join(this.#directory, 'secret')
    writeFileSync(secretAccessKeyFile, `${changes.secretAccessKey ?? target.secretAccessKey}\n`, { mode: 0o600 })
    const destination = {
      endpoint: target.endpoint,
      region: 'us-east-1',
      accessKeyId: changes.accessKeyId ?? target.accessKeyId,
      secretAccessKeyFile: 'secret',
      caFile: target.caFile,
      buckets: ['b-*'],
    }
    const destinations = Object.fromEntries(
      arns.map((arn) => [arn, { ...destination, kmsObjects: !arn.endsWith('second') }]),
    )
    const { attemptsMax = 2, lateSeconds } = changes
    writeFileSync(this.path, JSON.stringify({ attemptsMax, lateSeconds, destinations }))
  }
}

export function arnOf(bucket: string): string {
  return `arn:aws:s3:::${bucket}`
}

export async function startStore(
  file: ReplicationFile,
  env: Readonly<Record<string, string>> = {},
): Promise<CofferServer> {
  return await startServer({ workers: 2, env: { COFFER_REPLICATION_FILE: file.path, ...env } })
}

/** A rule of the newer form for everything, with delete markers. */
export function ruleTo(bucket: string, changes: Partial<ReplicationRule> = {}): ReplicationRule {
  return {
    ID: 'all',
    Priority: 1,
    Status: 'Enabled',
    Filter: { Prefix: '' },
    DeleteMarkerReplication: { Status: 'Enabled' },
    Destination: { Bucket: arnOf(bucket) },
    ...changes,
  }
}

export async function replicate(s3: S3Client, Bucket: string, ...Rules: ReplicationRule[]): Promise<void> {
  const configuration = { Role: ROLE, Rules }
  await s3.send(new PutBucketReplicationCommand({ Bucket, ReplicationConfiguration: configuration }))
}
