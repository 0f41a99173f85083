import type { Readable } from 'node:stream'
import {
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3'
import { type S3Location, s3ClientFor } from '@coffer/blob-store/drivers/s3-client'
import { isCofferError } from '@coffer/errors'
import type { Tags } from '@coffer/s3-protocol'
import { listAllVersions, listCurrent } from './list-source.ts'
import type { AdoptSource, PartPlace, SourceBody, SourceObject, SourceQuery, SourceVersion } from './source.ts'
import { asSourceError, sourceError, statusOf } from './source-errors.ts'
import { describeObject, hasPartsEtag } from './source-object.ts'

/** A body that breaks off is asked for again from where it ended, so often without a byte between. */
const ATTEMPTS_MAX = 4
/** Without a byte, while somebody waits for one. */
const SILENCE_TIMEOUT_MS = 30_000
const BAD_REQUEST = 400
const METHOD_NOT_ALLOWED = 405
const NOT_IMPLEMENTED = 501

/** A bucket at any S3 endpoint, read and never written. Asks nothing of it yet. */
export function openS3Source(location: Omit<S3Location, 'prefix'>): AdoptSource {
  return new S3Source(s3ClientFor({ ...location, prefix: '' }), location.bucket)
}

interface ByteRange {
  readonly offsetBytes: number
  readonly sizeBytes: number
}

class S3Source implements AdoptSource {
  readonly #client: S3Client
  readonly #bucket: string

  constructor(client: S3Client, bucket: string) {
    this.#client = client
    this.#bucket = bucket
  }

  async check({ prefix }: SourceQuery): Promise<void> {
    const command = new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, MaxKeys: 1 })
    await this.#client.send(command).catch(asThrown)
  }

  listObjects(query: SourceQuery): AsyncIterable<SourceVersion> {
    return listCurrent(this.#client, this.#bucket, query)
  }

  listVersions(query: SourceQuery): AsyncIterable<SourceVersion> {
    return listAllVersions(this.#client, this.#bucket, query)
  }

  async describe(version: SourceVersion): Promise<SourceObject> {
    const whole = await this.#head(version)
    if (!hasPartsEtag(whole.ETag)) return describeObject(whole, undefined)
    // A provider that knows no part numbers tells of the whole object, or refuses: then it is read whole.
    const first = await this.#head(version, 1).catch((error: unknown) => {
      if (isCofferError(error, 'ROTATION_SOURCE_REFUSED') || isCofferError(error, 'ROTATION_SOURCE_NEEDS_KEY'))
        return undefined
      throw error
    })
    return describeObject(whole, first?.PartsCount)
  }

  /** A part is read by its range: there are stores that tell the sizes of parts, and give the whole object for each. */
  async read(version: SourceVersion, object: SourceObject, part?: PartPlace): Promise<SourceBody> {
    const { offsetBytes = 0 } = part ?? {}
    const sizeBytes =
      part === undefined ? object.sizeBytes : ((await this.#head(version, part.number)).ContentLength ?? 0)
    return { sizeBytes, pieces: this.#pieces(version, object, { offsetBytes, sizeBytes }) }
  }

  async findTags(version: SourceVersion): Promise<Tags> {
    try {
      const { TagSet = [] } = await this.#client.send(new GetObjectTaggingCommand(this.#placeOf(version)))
      return Object.fromEntries(TagSet.map(({ Key = '', Value = '' }) => [Key, Value]))
    } catch (error) {
      const status = statusOf(error)
      // A provider without tags. What it has and does not give is a failure: tags are not lost in silence.
      if (status === NOT_IMPLEMENTED || status === METHOD_NOT_ALLOWED) return {}
      throw asSourceError(error)
    }
  }

  close(): void {
    this.#client.destroy()
  }

  async *#pieces(version: SourceVersion, object: SourceObject, range: ByteRange): AsyncGenerator<Uint8Array, void> {
    let [doneBytes, failures] = [0, 0]
    while (doneBytes < range.sizeBytes) {
      try {
        const rest = { offsetBytes: range.offsetBytes + doneBytes, sizeBytes: range.sizeBytes - doneBytes }
        for await (const piece of withSilenceTimeout(await this.#open(version, object, rest))) {
          doneBytes += piece.length
          failures = 0
          yield piece
        }
        if (doneBytes < range.sizeBytes) throw sourceError('ROTATION_SOURCE_UNAVAILABLE', 'a body that ended early')
      } catch (error) {
        failures += 1
        const known = asSourceError(error)
        if (known.code !== 'ROTATION_SOURCE_UNAVAILABLE' || failures === ATTEMPTS_MAX) throw known
      }
    }
  }

  async #open(
    version: SourceVersion,
    { etag, sizeBytes: wholeBytes }: SourceObject,
    range: ByteRange,
  ): Promise<Readable> {
    const { offsetBytes, sizeBytes } = range
    const command = new GetObjectCommand({
      ...this.#placeOf(version),
      IfMatch: `"${etag}"`,
      ...(sizeBytes < wholeBytes && { Range: `bytes=${offsetBytes}-${offsetBytes + sizeBytes - 1}` }),
    })
    const reply = await this.#client.send(command).catch(asThrown)
    const body = reply.Body as Readable
    if (reply.ContentLength !== sizeBytes) {
      body.destroy()
      throw sourceError('ROTATION_SOURCE_REFUSED', 'it gives other bytes than were asked for')
    }
    return body
  }

  async #head(version: SourceVersion, partNumber?: number): Promise<HeadObjectCommandOutput> {
    const command = new HeadObjectCommand({
      ...this.#placeOf(version),
      ChecksumMode: 'ENABLED',
      ...(partNumber !== undefined && { PartNumber: partNumber }),
    })
    return await this.#client.send(command).catch((error: unknown) => {
      // An answer to HEAD has no body that says why; this status has an object under a customer's key (S3 API, HeadObject).
      if (statusOf(error) === BAD_REQUEST) throw sourceError('ROTATION_SOURCE_NEEDS_KEY', 'SSE-C', error)
      throw asSourceError(error)
    })
  }

  #placeOf({ key, versionId }: SourceVersion): { Bucket: string; Key: string; VersionId?: string } {
    return { Bucket: this.#bucket, Key: key, ...(versionId !== undefined && { VersionId: versionId }) }
  }
}

/** The clock runs while somebody waits, and not while what has come is worked on. */
async function* withSilenceTimeout(body: Readable): AsyncGenerator<Uint8Array> {
  const pieces: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]()
  try {
    for (;;) {
      const timer = setTimeout(() => body.destroy(new Error('no bytes for too long')), SILENCE_TIMEOUT_MS)
      const { done, value } = await pieces.next().finally(() => clearTimeout(timer))
      if (done) return
      yield value
    }
  } finally {
    body.destroy()
  }
}

function asThrown(error: unknown): never {
  throw asSourceError(error)
}
