import type { VerifiedBody } from '@coffer/s3-protocol'

/** Plaintext on its way into the store: from a client's request, or from another object (a copy). Read once. */
export interface Payload {
  /** Undefined: not known before its end, and not small. */
  readonly sizeBytes: number | undefined
  /** The whole of it, verified. For small ones. */
  whole(): Promise<{ readonly bytes: Uint8Array; readonly verified: VerifiedBody }>
  /** Piece by piece; the caller does not keep a piece past the next. Unverified until `verified()` has returned. */
  pieces(): AsyncIterable<readonly Uint8Array[]>
  /** After the last piece: throws if a digest or length that the client gave does not fit. */
  verified(): VerifiedBody
}
