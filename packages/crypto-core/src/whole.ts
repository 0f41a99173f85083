import type { DataAlgorithm } from './algorithms.ts'
import { layerCountOf } from './layers.ts'
import type { Secret } from './secret.ts'
import { newStreamHeader, plainSizeBytes, STREAM_HEADER_SIZE_BYTES } from './stream-format.ts'
import { StreamOpener } from './stream-opener.ts'
import { StreamSealer } from './stream-sealer.ts'

/** Seals a small plaintext into one buffer: the same bytes on disk as a stream. */
export function sealWhole(
  objectKey: Secret,
  plain: Uint8Array,
  options: { readonly algorithm: DataAlgorithm; readonly partNumber: number },
): Buffer {
  const sealer = new StreamSealer(objectKey, newStreamHeader(options), { plainSizeBytes: plain.length })
  return Buffer.concat(sealer.seal(plain, true))
}

/** Opens what `sealWhole` (or a stream, read to its end) sealed. Its length is that of the sealed bytes. */
export function openWhole(
  objectKey: Secret,
  sealed: Uint8Array,
  expected: { readonly partNumber: number; readonly salt?: Uint8Array },
): Buffer {
  const opener = new StreamOpener(objectKey, sealed.subarray(0, STREAM_HEADER_SIZE_BYTES), {
    plainTotalBytes: plainSizeBytes(sealed.length, layerCountOf(objectKey)),
    expectedPartNumber: expected.partNumber,
    ...(expected.salt && { expectedSalt: expected.salt }),
  })
  try {
    const segments = opener.openSegments(0, sealed.subarray(STREAM_HEADER_SIZE_BYTES))
    const [only] = segments
    return segments.length === 1 && only !== undefined ? only : Buffer.concat(segments)
  } finally {
    opener.wipe()
  }
}
