import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { S3Location } from '@coffer/blob-store/drivers/s3'
import { type ClientTarget, newBucket, s3Client } from '../harness/s3.ts'
import { type CofferServer, startServer, temporaryDirectory } from '../harness/start-server.ts'
import { startMoto } from '../kms/moto.ts'

/** An S3 endpoint that blobs can be kept at. */
export interface S3Endpoint extends ClientTarget {
  /** Where its certificate is to be checked. */
  readonly isSecure: boolean
  stop(): Promise<void>
}

export async function startMotoEndpoint(program: string): Promise<S3Endpoint> {
  const { endpoint, stop } = await startMoto(program)
  return { endpoint, caFile: '', accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', isSecure: false, stop }
}

/** Another Coffer. */
export function endpointOf(server: CofferServer): S3Endpoint {
  const { endpoint, caFile, accessKeyId, secretAccessKey } = server
  return { endpoint, caFile, accessKeyId, secretAccessKey, isSecure: true, stop: () => server.dispose() }
}

export async function startCofferEndpoint(): Promise<S3Endpoint> {
  return endpointOf(await startServer({ workers: 1 }))
}

export async function newBucketAt(endpoint: ClientTarget): Promise<string> {
  const client = s3Client(endpoint)
  try {
    return await newBucket(client)
  } finally {
    client.destroy()
  }
}

/** A prefix of its own in a bucket of an endpoint, as the driver is told of it. */
export function locationAt(endpoint: S3Endpoint, bucket: string): S3Location {
  const secretAccessKeyFile = join(temporaryDirectory('s3-secret'), 'secret')
  writeFileSync(secretAccessKeyFile, `${endpoint.secretAccessKey}\n`, { mode: 0o600 })
  return {
    endpoint: endpoint.endpoint,
    region: 'us-east-1',
    bucket,
    prefix: `${randomBytes(4).toString('hex')}/`,
    accessKey: { accessKeyId: endpoint.accessKeyId, secretAccessKeyFile },
    ca: endpoint.isSecure ? readFileSync(endpoint.caFile, 'utf8') : undefined,
    forcePathStyle: true,
  }
}

/** A store as COFFER_BLOBS_FILE has it, for a prefix of its own. */
export function storeAt(
  endpoint: S3Endpoint,
  bucket: string,
  changes: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  const { prefix } = locationAt(endpoint, bucket)
  const secretAccessKeyFile = join(temporaryDirectory('blobs-secret'), 'secret')
  writeFileSync(secretAccessKeyFile, endpoint.secretAccessKey, { mode: 0o600 })
  return {
    type: 's3',
    endpoint: endpoint.endpoint,
    region: 'us-east-1',
    bucket,
    prefix,
    accessKeyId: endpoint.accessKeyId,
    secretAccessKeyFile,
    forcePathStyle: true,
    ...(endpoint.isSecure && { caFile: endpoint.caFile }),
    ...changes,
  }
}

/** What COFFER_BLOBS_FILE names. */
export function writeBlobsFile(content: unknown): string {
  const path = join(temporaryDirectory('blobs-file'), 'blobs.json')
  writeFileSync(path, JSON.stringify(content))
  return path
}

export function blobsFileAt(
  endpoint: S3Endpoint,
  bucket: string,
  changes: Readonly<Record<string, unknown>> = {},
): string {
  return writeBlobsFile(storeAt(endpoint, bucket, changes))
}
