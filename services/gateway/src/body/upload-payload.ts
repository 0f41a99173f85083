import { freeBytes } from '@coffer/object-body'
import {
  type BodyDigests,
  type BodyPlan,
  BodyVerifier,
  loadChecksum,
  planBody,
  s3Error,
  type VerifiedBody,
  verifySmallBody,
} from '@coffer/s3-protocol'
import type { AuthorizedRequest, LocatedRequest } from '../requests.ts'
import type { Payload } from './payload.ts'

/** Framing of aws-chunked bodies (chunk headers, signatures, trailers) may at most treble a small body. */
const FRAMING_FACTOR_MAX = 3
const FRAMING_BYTES_MAX = 16 * 1024
/** Of the documents that may be read before a request is decided, and by their operations. */
export const DOCUMENT_BYTES_MAX = 64 * 1024

/** The body of a PUT as a payload: framing removed, chunk signatures, lengths and digests verified. */
export function uploadPayload(request: AuthorizedRequest, options: BodyDigests): Payload {
  const plan = planBody(request.parsed, request.authentication, options)
  return new UploadPayload(request, plan)
}

/** A small document (XML) that came as the request's body, verified like any other. */
export async function collectDocument(request: LocatedRequest, sizeBytesMax: number): Promise<Uint8Array> {
  if (request.document !== undefined) return request.document
  const plan = planBody(request.parsed, request.authentication, { md5: false })
  if (plan.sizeBytes > sizeBytesMax) throw s3Error('MaxMessageLengthExceeded')
  return (await new UploadPayload(request, plan).whole()).bytes
}

class UploadPayload implements Payload {
  readonly sizeBytes: number
  readonly #request: LocatedRequest
  readonly #plan: BodyPlan
  #verifier: BodyVerifier | undefined

  constructor(request: LocatedRequest, plan: BodyPlan) {
    this.#request = request
    this.#plan = plan
    this.sizeBytes = plan.sizeBytes
  }

  async whole(): Promise<{ bytes: Uint8Array; verified: VerifiedBody }> {
    const rawSizeBytesMax = this.sizeBytes * FRAMING_FACTOR_MAX + FRAMING_BYTES_MAX
    const raw = await this.#request.body.collect(rawSizeBytesMax)
    await loadChecksum(this.#plan.checksum?.algorithm)
    const { payload, body } = verifySmallBody(this.#plan, this.#seed(), raw)
    return { bytes: payload, verified: body }
  }

  async *pieces(): AsyncGenerator<readonly Uint8Array[]> {
    await loadChecksum(this.#plan.checksum?.algorithm)
    const verifier = new BodyVerifier(this.#plan, this.#seed())
    let isWhole = false
    try {
      for await (const batch of this.#request.body.batches()) {
        yield batch.flatMap((raw) => verifier.push(raw))
        // Digested and sealed: Node made a buffer for each.
        for (const raw of batch) freeBytes(raw)
      }
      this.#verifier = verifier
      isWhole = true
    } finally {
      if (!isWhole) verifier.discard()
    }
  }

  verified(): VerifiedBody {
    if (this.#verifier === undefined) throw s3Error('InternalError')
    return this.#verifier.end()
  }

  #seed() {
    const { signing, authentication } = this.#request
    if (signing === undefined || !('signedAtMs' in authentication)) return undefined
    return {
      signature: signing.seedSignature,
      signingKey: signing.keyBytes,
      timestamp: authentication.timestamp,
      scope: `${authentication.date}/${authentication.region}/${authentication.service}/aws4_request`,
    }
  }
}
