import { createHash, randomBytes } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { bytesOf } from '../harness/s3.ts'

const READ_TIMEOUT_MS = 10_000
const PART_BYTES = 5 * 1024 * 1024

/** An object as it was put: what a true read returns. */
export interface KnownObject {
  readonly key: string
  readonly body: Buffer
  readonly etag: string
  readonly metadata: Readonly<Record<string, string>>
  readonly customerKey?: { SSECustomerAlgorithm: string; SSECustomerKey: string; SSECustomerKeyMD5: string }
}

/** What one read found. `wrong`: success with bytes or facts that are not the true ones. */
export type Reading =
  | { readonly kind: 'true' }
  | { readonly kind: 'refused'; readonly code: string; readonly status: number }
  | { readonly kind: 'cut'; readonly why: string }
  | { readonly kind: 'wrong'; readonly what: string }

/** Text that compresses and repeats: what must not be found on disk. */
function recognizable(name: string, sizeBytes: number): Buffer {
  const line = Buffer.from(`plaintext of ${name} ${randomBytes(8).toString('hex')}; `)
  return Buffer.alloc(sizeBytes, line)
}

/** Objects of every storage form: inline, blob, several parts, under a customer's key. */
export async function putKnownObjects(s3: S3Client, Bucket: string): Promise<KnownObject[]> {
  const known: KnownObject[] = []
  const customerKey = randomBytes(32)
  const customer = {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: customerKey.toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(customerKey).digest('base64'),
  }
  for (const [key, sizeBytes, headers] of [
    ['inline-a', 3_000, undefined],
    ['inline-b', 3_000, undefined],
    ['blob-a', 300_000, undefined],
    ['blob-b', 300_000, undefined],
    ['customer-inline', 2_000, customer],
    ['customer-blob', 200_000, customer],
  ] as const) {
    const body = recognizable(key, sizeBytes)
    const metadata = { secret: `metadata-of-${key}-${randomBytes(8).toString('hex')}` }
    const tagging = `tag-name-${key}=tag-value-${randomBytes(8).toString('hex')}`
    const put = { Bucket, Key: key, Body: body, Metadata: metadata, Tagging: tagging, ...headers }
    const { ETag = '' } = await s3.send(new PutObjectCommand({ ...put, ChecksumAlgorithm: 'SHA256' }))
    known.push({ key, body, etag: ETag, metadata, ...(headers && { customerKey: headers }) })
  }
  known.push(await putInParts(s3, Bucket, 'parts'))
  return known
}

async function putInParts(s3: S3Client, Bucket: string, Key: string): Promise<KnownObject> {
  const metadata = { secret: `metadata-of-${Key}` }
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, Metadata: metadata }))
  const bodies = [recognizable('part 1', PART_BYTES), recognizable('part 2', 100_000)]
  const Parts = []
  for (const [index, Body] of bodies.entries()) {
    const PartNumber = index + 1
    const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }))
    Parts.push({ PartNumber, ETag })
  }
  const done = await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }))
  return { key: Key, body: Buffer.concat(bodies), etag: done.ETag ?? '', metadata }
}

function failureReading(error: unknown): Reading {
  if (!(error instanceof Error)) return { kind: 'cut', why: String(error) }
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
  if (status !== undefined && status >= 400) return { kind: 'refused', code: error.name, status }
  return { kind: 'cut', why: error.message }
}

export async function readObject(s3: S3Client, Bucket: string, known: KnownObject): Promise<Reading> {
  try {
    const abortSignal = AbortSignal.timeout(READ_TIMEOUT_MS)
    const get = new GetObjectCommand({ Bucket, Key: known.key, ...known.customerKey })
    const got = await s3.send(get, { abortSignal })
    const body = await bytesOf(got)
    if (!body.equals(known.body)) return { kind: 'wrong', what: `bytes of ${known.key}` }
    if (got.ETag !== known.etag) return { kind: 'wrong', what: `ETag of ${known.key}: ${got.ETag}` }
    if (JSON.stringify(got.Metadata) !== JSON.stringify(known.metadata)) {
      return { kind: 'wrong', what: `metadata of ${known.key}: ${JSON.stringify(got.Metadata)}` }
    }
    return { kind: 'true' }
  } catch (error) {
    return failureReading(error)
  }
}

/** An entry whose ETag is shown as true must be true; damaged ones say so, missing ones are as good as deleted. */
export async function readListing(s3: S3Client, Bucket: string, known: readonly KnownObject[]): Promise<Reading> {
  try {
    const abortSignal = AbortSignal.timeout(READ_TIMEOUT_MS)
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }), { abortSignal })
    for (const { Key, ETag, Size } of Contents) {
      if (ETag === '"damaged"') continue
      const object = known.find(({ key }) => key === Key)
      if (object === undefined || ETag !== object.etag || Size !== object.body.length) {
        return { kind: 'wrong', what: `listing of ${Key}: ${ETag} ${Size}` }
      }
    }
    return { kind: 'true' }
  } catch (error) {
    return failureReading(error)
  }
}

/** Everything that must not be found on disk without the root key, by name. */
export function secretsOf(known: readonly KnownObject[]): Map<string, Buffer> {
  const secrets = new Map<string, Buffer>()
  for (const { key, body, etag, metadata, customerKey } of known) {
    secrets.set(`plaintext of ${key}`, body.subarray(0, 32))
    secrets.set(`last plaintext of ${key}`, body.subarray(-32))
    secrets.set(`metadata of ${key}`, Buffer.from(metadata.secret ?? ''))
    const hex = etag.replaceAll('"', '').split('-')[0] ?? ''
    secrets.set(`ETag of ${key} as text`, Buffer.from(hex))
    secrets.set(`ETag of ${key} as bytes`, Buffer.from(hex, 'hex'))
    const sha256 = createHash('sha256').update(body).digest()
    secrets.set(`checksum of ${key} as bytes`, sha256)
    secrets.set(`checksum of ${key} as text`, Buffer.from(sha256.toString('base64')))
    secrets.set(`tag of ${key}`, Buffer.from(`tag-name-${key}`))
    if (customerKey) {
      secrets.set(`customer key of ${key} as text`, Buffer.from(customerKey.SSECustomerKey))
      secrets.set(`customer key of ${key} as bytes`, Buffer.from(customerKey.SSECustomerKey, 'base64'))
    }
  }
  return secrets
}
