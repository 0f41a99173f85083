import type { StoredObjectKey } from '@coffer/contracts'
import type { SealContext } from '@coffer/crypto-core'
import { directKeyRef, type WrappedKey } from '@coffer/kms'
import { engineError } from './errors.ts'
import { decodeWrappedKey, encodeWrappedKey } from './wrapped-key.ts'

const FORMAT = 1
const PREFIX_BYTES = 3

/** An object key sealed under a data key that the KMS wraps for this object alone (SSE-KMS without a bucket key). */
export interface DirectlySealed {
  readonly wrapped: WrappedKey
  readonly sealed: Uint8Array
}

/** Format (1 byte), length of the wrapped data key (u16 BE), the wrapped data key, the object key sealed under it. */
export function encodeDirect({ wrapped, sealed }: DirectlySealed): StoredObjectKey {
  const encoded = encodeWrappedKey(wrapped)
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES)
  prefix.writeUInt8(FORMAT, 0)
  prefix.writeUInt16BE(encoded.length, 1)
  return { keyRef: directKeyRef(wrapped), sealed: Buffer.concat([prefix, encoded, sealed]) }
}

/** ENGINE_RECORD_DAMAGED, also where the wrapped key is not of the master key that the reference names. */
export function decodeDirect(stored: StoredObjectKey): DirectlySealed {
  const bytes = Buffer.from(stored.sealed)
  if (bytes.length < PREFIX_BYTES || bytes[0] !== FORMAT) throw engineError('ENGINE_RECORD_DAMAGED')
  const wrappedEnd = PREFIX_BYTES + bytes.readUInt16BE(1)
  const wrapped = decodeWrappedKey(bytes.subarray(PREFIX_BYTES, wrappedEnd))
  if (directKeyRef(wrapped) !== stored.keyRef) throw engineError('ENGINE_RECORD_DAMAGED')
  return { wrapped, sealed: bytes.subarray(wrappedEnd) }
}

/** What the KMS binds the data key of an object to: the object, and the client's own encryption context. */
export function directKeyContext({ bucketId, key, versionId, encryptionContext }: SealContext): Record<string, string> {
  const ours = { 'coffer:bucket': bucketId, 'coffer:object': key, 'coffer:version': versionId }
  return { ...encryptionContext, ...ours }
}
