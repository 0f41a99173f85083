import { crc32 } from 'node:zlib'
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { type S3Location, s3ClientFor } from '@coffer/blob-store/drivers/s3-client'
import { isCofferError } from '@coffer/errors'
import { rotationError } from '../errors.ts'
import { changeOfVersion } from './change-of-version.ts'
import type { ReplicationDestination, SentChange, SentObject, SentPlace } from './destination.ts'
import { inPieces } from './in-pieces.ts'
import { type Headers, withHeaders } from './with-headers.ts'

export interface S3DestinationOptions extends Omit<S3Location, 'prefix'> {
  /** Whether replicas say that they are some, so that they go nowhere else; providers that refuse the header need it off. */
  readonly marksReplicas: boolean
  readonly takesKmsObjects: boolean
  readonly isFor: (bucket: string) => boolean
}

const REPLICA: Headers = { 'x-amz-replication-status': 'REPLICA' }
const REPLICA_OF = 'x-coffer-replica-of'
const REPLICA_VERSION = 'x-coffer-replica-version'
/** It gets better by itself, or when somebody has done something at the destination. */
const PASSING = /^(SlowDown|Throttl|TooManyRequests|RequestTimeout|RequestLimitExceeded|OperationAborted)/

/** A bucket at any S3 endpoint. Asks nothing of it yet. */
export function openS3Destination(options: S3DestinationOptions): ReplicationDestination {
  return new S3Destination(s3ClientFor({ ...options, prefix: '' }), options)
}

class S3Destination implements ReplicationDestination {
  readonly isFor: (bucket: string) => boolean
  readonly takesKmsObjects: boolean
  readonly #client: S3Client
  readonly #bucket: string
  readonly #mark: Headers

  constructor(client: S3Client, { bucket, marksReplicas, takesKmsObjects, isFor }: S3DestinationOptions) {
    this.isFor = isFor
    this.takesKmsObjects = takesKmsObjects
    this.#client = client
    this.#bucket = bucket
    this.#mark = marksReplicas ? REPLICA : {}
  }

  async putObject(object: SentObject): Promise<string | undefined> {
    return object.partSizes === undefined ? await this.#putWhole(object) : await this.#putParts(object)
  }

  async putDeleteMarker(place: SentPlace): Promise<void> {
    await this.#answer(this.#client.send(withHeaders(new DeleteObjectCommand(this.#at(place)), this.#mark)))
  }

  async changeVersion(place: SentPlace, versionId: string, change: SentChange, replica?: string): Promise<void> {
    const version = { ...this.#at(place), VersionId: versionId }
    const mark = replica === undefined ? this.#mark : { ...this.#mark, [REPLICA_VERSION]: replica }
    await this.#answer(changeOfVersion(this.#client, version, change, mark))
  }

  close(): void {
    this.#client.destroy()
  }

  async #putWhole({ headers, body, ...place }: SentObject): Promise<string | undefined> {
    const bytes = await collect(body)
    const command = new PutObjectCommand({ ...this.#at(place), Body: bytes, ContentLength: bytes.length })
    const sent = { ...checksumOf(headers, bytes), ...this.#marked(headers) }
    return (await this.#answer(this.#client.send(withHeaders(command, sent)))).VersionId
  }

  async #putParts({ headers, body, partSizes = [], ...place }: SentObject): Promise<string | undefined> {
    const begin = withHeaders(new CreateMultipartUploadCommand(this.#at(place)), this.#marked(headers))
    const { UploadId } = await this.#answer(this.#client.send(begin))
    const upload = { ...this.#at(place), UploadId }
    try {
      const parts: CompletedPart[] = []
      for await (const bytes of inPieces(body, partSizes)) {
        const PartNumber = parts.length + 1
        const command = new UploadPartCommand({ ...upload, PartNumber, Body: bytes, ContentLength: bytes.length })
        const { ETag } = await this.#answer(this.#client.send(command))
        parts.push({ PartNumber, ETag })
      }
      const complete = new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } })
      return (await this.#answer(this.#client.send(complete))).VersionId
    } catch (error) {
      // As far as it still lets us: what is left there is for its own rules to remove.
      await this.#client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined)
      throw error
    }
  }

  /** What the SDK threw, as ours: the provider's code and status, never its text or a header. */
  async #answer<Output>(sent: Promise<Output>): Promise<Output> {
    try {
      return await sent
    } catch (error) {
      if (isCofferError(error)) throw error
      const reason = nameOf(error)
      const status = statusOf(error)
      const isPassing = status === undefined || status >= 500 || status === 429 || PASSING.test(reason)
      const code = isPassing ? 'ROTATION_DESTINATION_UNAVAILABLE' : 'ROTATION_DESTINATION_REFUSED'
      throw rotationError(code, { reason, ...(status !== undefined && { status }) }, { cause: error })
    }
  }

  #at({ key, account }: SentPlace): { Bucket: string; Key: string; ExpectedBucketOwner?: string } {
    return { Bucket: this.#bucket, Key: key, ...(account !== undefined && { ExpectedBucketOwner: account }) }
  }

  /** What a replica is of is for who marks replicas; another provider may not take the header. */
  #marked({ [REPLICA_OF]: of, ...headers }: Headers): Headers {
    return {
      ...headers,
      ...this.#mark,
      ...(of !== undefined && 'x-amz-replication-status' in this.#mark && { [REPLICA_OF]: of }),
    }
  }
}

async function collect(body: SentObject['body']): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  // A piece is the reader's own until its next one.
  for await (const batch of body) for (const piece of batch) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

/** The object's own goes with it where it has one. */
function checksumOf(headers: Headers, bytes: Uint8Array): Headers {
  if (Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-'))) return {}
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(bytes))
  return { 'x-amz-checksum-crc32': checksum.toString('base64') }
}

/** The provider's code, or of a connection that failed Node's: CERT_HAS_EXPIRED, ECONNREFUSED. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return /^[A-Z][A-Z0-9_]{2,64}$/.test(code) ? code : error.name
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  return (error.$metadata as { httpStatusCode?: number } | undefined)?.httpStatusCode
}
