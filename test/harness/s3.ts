import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { Xxh3_64, Xxh3_128, Xxh64 } from '@aws-sdk/checksums/xxh'
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3'

export interface ClientTarget {
  readonly endpoint: string
  readonly caFile: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of temporary credentials. */
  readonly sessionToken?: string
}

export interface ClientOptions {
  readonly forcePathStyle?: boolean
  readonly region?: string
  readonly maxSockets?: number
  readonly keepAlive?: boolean
  /** Off: only what S3 requires, so that a test can say which checksum it means. */
  readonly checksums?: 'WHEN_SUPPORTED' | 'WHEN_REQUIRED'
}

/** What the SDK has or can do, but doesn't turn on by itself. */
class Sha512 {
  #hash = createHash('sha512')

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {
    this.#hash = createHash('sha512')
  }
}

/** The AWS SDK, trusting only the server's CA file. It does not retry: a test sees the first answer. */
export function s3Client(target: ClientTarget, options: ClientOptions = {}): S3Client {
  const secure = target.endpoint.startsWith('https:')
  const checksums = options.checksums ?? 'WHEN_SUPPORTED'
  return new S3Client({
    endpoint: target.endpoint,
    region: options.region ?? 'us-east-1',
    credentials: {
      accessKeyId: target.accessKeyId,
      secretAccessKey: target.secretAccessKey,
      ...(target.sessionToken !== undefined && { sessionToken: target.sessionToken }),
    },
    forcePathStyle: options.forcePathStyle ?? true,
    maxAttempts: 1,
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    checksumAlgorithms: { SHA512: Sha512, XXHASH64: Xxh64, XXHASH3: Xxh3_64, XXHASH128: Xxh3_128 },
    requestHandler: {
      connectionTimeout: 60_000,
      ...(secure && {
        httpsAgent: new Agent({
          ca: readFileSync(target.caFile),
          keepAlive: options.keepAlive ?? true,
          maxSockets: options.maxSockets ?? 64,
        }),
      }),
    },
  })
}

export async function newBucket(
  client: S3Client,
  options: { name?: string; versioning?: 'Enabled' | 'Suspended' } = {},
): Promise<string> {
  const bucket = options.name ?? `b-${randomBytes(8).toString('hex')}`
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  if (options.versioning) {
    const configuration = { Status: options.versioning }
    await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: configuration }))
  }
  return bucket
}

/** All bytes of a response body. */
export async function bytesOf(output: {
  Body?: { transformToByteArray(): Promise<Uint8Array> } | undefined
}): Promise<Buffer> {
  if (output.Body === undefined) throw new Error('the response has no body')
  return Buffer.from(await output.Body.transformToByteArray())
}

export interface S3Failure {
  readonly code: string
  readonly status: number | undefined
}

/** The error code and HTTP status of a request that must fail. */
export async function failureOf(request: Promise<unknown>): Promise<S3Failure> {
  try {
    await request
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const status = '$metadata' in error ? (error.$metadata as { httpStatusCode?: number }).httpStatusCode : undefined
    return { code: error.name, status }
  }
  throw new Error('the request succeeded, but should have failed')
}
