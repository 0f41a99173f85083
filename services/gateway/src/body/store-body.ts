import type { BlobRef } from '@coffer/metadata-store'
import { type StreamIdentity, sealInline, sealToBlob } from '@coffer/object-body'
import type { VerifiedBody } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import { type Classed, storeFor } from '../object/storage-class.ts'
import type { Payload } from './payload.ts'

/** Ciphertext that is stored (a blob, durable) or ready to be committed with its record (inline). */
export type StoredBody = {
  readonly sizeBytes: number
  readonly verified: VerifiedBody
  /** Base64: which stream this is. */
  readonly salt: string
} & ({ readonly kind: 'inline'; readonly bytes: Uint8Array } | { readonly kind: 'blob'; readonly blob: BlobRef })

const SMALL_BODY_BYTES_MAX = 128 * 1024

/**
 * Seals a payload and stores it: inline if it is small and `inlineSizeBytesMax` allows, else as a durable blob where its storage
 * class says.
 */
export async function storeBody(
  payload: Payload,
  stream: StreamIdentity,
  context: GatewayContext,
  options: Classed & { readonly inlineSizeBytesMax: number },
): Promise<StoredBody> {
  const inlineSizeBytesMax = Math.min(options.inlineSizeBytesMax, SMALL_BODY_BYTES_MAX)
  if (payload.sizeBytes !== undefined && payload.sizeBytes <= inlineSizeBytesMax) {
    const { bytes: plain, verified } = await payload.whole()
    return { kind: 'inline', ...sealInline(plain, stream), sizeBytes: plain.length, verified }
  }
  let verified: VerifiedBody | undefined
  async function* verifiedPieces() {
    yield* payload.pieces()
    // Before the last segment leaves: a body that is not what the client said it is fails the write of its blob.
    verified = payload.verified()
  }
  const { blob, salt } = await sealToBlob(verifiedPieces(), payload.sizeBytes, stream, {
    ...context.options,
    store: await storeFor(options, context),
  })
  if (verified === undefined) throw new Error('a blob store resolved without reading its source to the end')
  return { kind: 'blob', blob, salt, sizeBytes: verified.sizeBytes, verified }
}
