import { createHash, type Hash, hash } from 'node:crypto'
import { assertChecksumValue, type Checksum, type ChecksumAlgorithm, createChecksum } from '../checksums.ts'
import { s3Error } from '../errors.ts'
import { createEtagHash, type EtagHash, etagHashOf } from '../etag-hash.ts'
import type { BodyPlan } from './body-plan.ts'
import { ChunkDecoder, type ChunkSeed } from './chunk-decoder.ts'

/** A body that is what its client said it is. */
export interface VerifiedBody {
  readonly sizeBytes: number
  /** 16 bytes, where the plan asks for it: the MD5, or in FIPS mode what stands in for it. */
  readonly md5?: Buffer
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm /** Base64. */; readonly value: string }
  /** Base64, of the algorithm that the plan has besides. */
  readonly besides?: string
}

/** Verifies a body as it passes: raw bytes in, payload out (views of what came in), and the verdict at the end. */
export class BodyVerifier {
  readonly #plan: BodyPlan
  readonly #decoder: ChunkDecoder | undefined
  readonly #md5: EtagHash | undefined
  readonly #sha256: Hash | undefined
  readonly #checksum: Checksum | undefined
  readonly #besides: Checksum | undefined
  #sizeBytes = 0

  constructor(plan: BodyPlan, seed?: ChunkSeed) {
    this.#plan = plan
    this.#decoder = plan.chunked && new ChunkDecoder({ signed: plan.chunked.signed, seed })
    this.#md5 = plan.computeMd5 ? createEtagHash(plan) : undefined
    this.#sha256 = plan.sha256Hex === undefined ? undefined : createHash('sha256')
    this.#checksum = plan.checksum && createChecksum(plan.checksum.algorithm)
    this.#besides = plan.besides && createChecksum(plan.besides)
  }

  /** Payload may be used before `end`, but not be kept without it: the digests come last. IncompleteBody if it is too long. */
  push(raw: Uint8Array): Uint8Array[] {
    const payload = this.#decoder?.push(raw) ?? [raw]
    for (const piece of payload) {
      this.#sizeBytes += piece.length
      this.#md5?.update(piece)
      this.#sha256?.update(piece)
      this.#checksum?.update(piece)
      this.#besides?.update(piece)
    }
    if (this.#sizeBytes > this.#plan.sizeBytes) throw s3Error('IncompleteBody')
    return payload
  }

  /** Instead of `end`, when the body did not come to its end; after it, nothing. */
  discard(): void {
    this.#md5?.discard()
  }

  /** IncompleteBody, BadDigest, XAmzContentSHA256Mismatch, MalformedTrailerError. */
  end(): VerifiedBody {
    const md5 = this.#md5?.digest()
    return judge(this.#plan, {
      sizeBytes: this.#sizeBytes,
      md5,
      sha256Hex: this.#sha256?.digest('hex'),
      checksum: this.#checksum?.digest(),
      besides: this.#besides?.digest(),
      trailers: this.#decoder?.trailers(),
    })
  }
}

/** The same for a body that is here as a whole: one-shot digests, which for a small body cost a third. */
export function verifySmallBody(
  plan: BodyPlan,
  seed: ChunkSeed | undefined,
  raw: Uint8Array,
): { payload: Uint8Array; body: VerifiedBody } {
  if (plan.chunked !== undefined) return verifyInPieces(plan, seed, raw)
  const checksum = plan.checksum && createChecksum(plan.checksum.algorithm)
  checksum?.update(raw)
  const besides = plan.besides && createChecksum(plan.besides)
  besides?.update(raw)
  const body = judge(plan, {
    sizeBytes: raw.length,
    md5: plan.computeMd5 ? etagHashOf(raw) : undefined,
    sha256Hex: plan.sha256Hex === undefined ? undefined : hash('sha256', raw),
    checksum: checksum?.digest(),
    besides: besides?.digest(),
    trailers: undefined,
  })
  return { payload: raw, body }
}

function verifyInPieces(plan: BodyPlan, seed: ChunkSeed | undefined, raw: Uint8Array) {
  const verifier = new BodyVerifier(plan, seed)
  const pieces = verifier.push(raw)
  const body = verifier.end()
  const [only] = pieces
  return { payload: pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces), body }
}

interface Computed {
  readonly sizeBytes: number
  readonly md5: Buffer | undefined
  readonly sha256Hex: string | undefined
  readonly checksum: Buffer | undefined
  readonly besides: Buffer | undefined
  readonly trailers: ReadonlyMap<string, string> | undefined
}

function judge(plan: BodyPlan, computed: Computed): VerifiedBody {
  const { sizeBytes, md5 } = computed
  const besides = computed.besides?.toString('base64')
  if (sizeBytes !== plan.sizeBytes) throw s3Error('IncompleteBody')
  if (computed.sha256Hex !== plan.sha256Hex) {
    throw s3Error('XAmzContentSHA256Mismatch', {
      details: {
        ClientComputedContentSHA256: plan.sha256Hex ?? '',
        S3ComputedContentSHA256: computed.sha256Hex ?? '',
      },
    })
  }
  if (plan.contentMd5 !== undefined && !md5?.equals(plan.contentMd5)) {
    throw s3Error('BadDigest', {
      message: 'The Content-MD5 you specified did not match what we received.',
      details: {
        ExpectedDigest: plan.contentMd5.toString('base64'),
        CalculatedDigest: md5?.toString('base64') ?? '',
      },
    })
  }
  const checksum = judgeChecksum(plan, computed)
  return { sizeBytes, ...(md5 && { md5 }), ...(checksum && { checksum }), ...(besides && { besides }) }
}

function judgeChecksum(plan: BodyPlan, { checksum, trailers }: Computed): VerifiedBody['checksum'] {
  if (plan.checksum === undefined || checksum === undefined) return undefined
  const { algorithm } = plan.checksum
  const value = checksum.toString('base64')
  let expected = plan.checksum.expected
  if (plan.trailerName !== undefined) {
    expected = trailers?.get(plan.trailerName)
    if (expected === undefined) throw s3Error('MalformedTrailerError')
    assertChecksumValue(algorithm, expected)
  }
  if (expected !== undefined && expected !== value) {
    throw s3Error('BadDigest', { message: `The ${algorithm} you specified did not match the calculated checksum.` })
  }
  return { algorithm, value }
}
