import { newBlobId } from '@coffer/blob-store'
import {
  type DataAlgorithm,
  newStreamHeader,
  type Secret,
  StreamSealer,
  sealWhole,
  streamSaltOf,
} from '@coffer/crypto-core'
import type { BlobRef } from '@coffer/metadata-store'
import type { VerifiedBody } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { Payload } from './payload.ts'

export interface StreamIdentity {
  readonly objectKey: Secret
  readonly algorithm: DataAlgorithm
  /** 0: an object put whole. */
  readonly partNumber: number
}

/** Ciphertext that is stored (a blob, durable) or ready to be committed with its record (inline). */
export type StoredBody = {
  readonly sizeBytes: number
  readonly verified: VerifiedBody
  /** Base64: which stream this is. */
  readonly salt: string
} & ({ readonly kind: 'inline'; readonly bytes: Uint8Array } | { readonly kind: 'blob'; readonly blob: BlobRef })

const SMALL_BODY_BYTES_MAX = 128 * 1024
const STREAM_HEADER_BYTES = 48
const NOTHING = new Uint8Array(0)

/** Seals a payload and stores it: inline if it is small and `inlineSizeBytesMax` allows, else as a durable blob. */
export async function storeBody(
  payload: Payload,
  stream: StreamIdentity,
  context: GatewayContext,
  options: { readonly inlineSizeBytesMax: number },
): Promise<StoredBody> {
  if (payload.sizeBytes <= Math.min(options.inlineSizeBytesMax, SMALL_BODY_BYTES_MAX)) {
    return sealInline(payload, stream)
  }
  return sealToBlob(payload, stream, context)
}

async function sealInline(payload: Payload, stream: StreamIdentity): Promise<StoredBody> {
  const { bytes: plain, verified } = await payload.whole()
  const bytes = sealWhole(stream.objectKey, plain, { algorithm: stream.algorithm, partNumber: stream.partNumber })
  const salt = saltText(bytes.subarray(0, STREAM_HEADER_BYTES))
  return { kind: 'inline', bytes, sizeBytes: plain.length, verified, salt }
}

async function sealToBlob(payload: Payload, stream: StreamIdentity, context: GatewayContext): Promise<StoredBody> {
  const header = newStreamHeader({ algorithm: stream.algorithm, partNumber: stream.partNumber })
  const sealer = new StreamSealer(stream.objectKey, header, { plainSizeBytes: payload.sizeBytes })
  const blobId = newBlobId(context.options.writerId)
  let verified: VerifiedBody | undefined
  async function* sealedPieces(): AsyncGenerator<Uint8Array, void> {
    for await (const pieces of payload.pieces()) {
      for (const piece of pieces) yield* sealer.seal(piece, false)
    }
    // Before the last segment leaves: a body that is not what the client said it is fails the write of its blob.
    verified = payload.verified()
    yield* sealer.seal(NOTHING, true)
  }
  const storedSizeBytes = await context.options.blobs.write(blobId, sealedPieces())
  if (verified === undefined) throw new Error('a blob store resolved without reading its source to the end')
  return {
    kind: 'blob',
    blob: { blobId, storedSizeBytes },
    sizeBytes: verified.sizeBytes,
    verified,
    salt: saltText(header),
  }
}

function saltText(header: Uint8Array): string {
  return Buffer.from(streamSaltOf(header)).toString('base64')
}
