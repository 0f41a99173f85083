import { type BlobStore, newBlobId, type StoreNumber } from '@coffer/blob-store'
import {
  type DataAlgorithm,
  newStreamHeader,
  type Secret,
  StreamSealer,
  sealWhole,
  streamSaltOf,
} from '@coffer/crypto-core'
import type { BlobRef, WriterId } from '@coffer/metadata-store'
import { SealedPieces } from './sealed-pieces.ts'

export interface StreamIdentity {
  readonly objectKey: Secret
  readonly algorithm: DataAlgorithm
  /** 0: an object put whole. */
  readonly partNumber: number
}

const STREAM_HEADER_BYTES = 48

/** The whole of a small body, sealed to be committed with its record. `salt` (base64) says which stream it is. */
export function sealInline(plain: Uint8Array, stream: StreamIdentity): { bytes: Uint8Array; salt: string } {
  const { algorithm, partNumber } = stream
  const bytes = sealWhole(stream.objectKey, plain, { algorithm, partNumber })
  return { bytes, salt: saltText(bytes.subarray(0, STREAM_HEADER_BYTES)) }
}

/**
 * Seals a body of `plainSizeBytes` (undefined: not known before its end) into a new blob, which is durable when this resolves. When the source throws, at its end
 * at the latest, no blob is left: the last segment is sealed only after it.
 */
export async function sealToBlob(
  source: AsyncIterable<readonly Uint8Array[]>,
  plainSizeBytes: number | undefined,
  stream: StreamIdentity,
  target: { readonly blobs: BlobStore; readonly writerId: WriterId; readonly store?: StoreNumber },
): Promise<{ blob: BlobRef; salt: string }> {
  const header = newStreamHeader({ algorithm: stream.algorithm, partNumber: stream.partNumber })
  const sealer = new StreamSealer(stream.objectKey, header, plainSizeBytes === undefined ? {} : { plainSizeBytes })
  const blobId = newBlobId(target.writerId, target.store)
  const storedSizeBytes = await target.blobs.write(blobId, new SealedPieces(source[Symbol.asyncIterator](), sealer))
  return { blob: { blobId, storedSizeBytes }, salt: saltText(header) }
}

function saltText(header: Uint8Array): string {
  return Buffer.from(streamSaltOf(header)).toString('base64')
}
