import type { StoredObjectKey } from '@coffer/contracts'
import { parseBucketKeyRef } from '@coffer/kms'
import { engineError } from './errors.ts'

const FORMAT = 2
const LENGTH_BYTES = 2

/** The object key of a dual-layer object (DSSE-KMS): a key for each layer, under keys of their own. */
export interface SealedLayers {
  /** Under a data key that the client's master key wraps for this object alone. */
  readonly inner: StoredObjectKey
  /** Under a bucket key of the server's own master key. */
  readonly outer: StoredObjectKey
}

/**
 * Format (1 byte), length of the sealed inner key (u16 BE), the sealed inner key (see `encodeDirect`), length of the bucket
 * key's name (u16 BE), its name, the sealed outer key. Named for the master key of the inner layer, under which a rewrap finds
 * it; the outer layer follows its bucket key.
 */
export function encodeLayers({ inner, outer }: SealedLayers): StoredObjectKey {
  const name = Buffer.from(outer.keyRef)
  const sealed = Buffer.concat([
    Buffer.of(FORMAT),
    lengthOf(inner.sealed),
    inner.sealed,
    lengthOf(name),
    name,
    outer.sealed,
  ])
  return { keyRef: inner.keyRef, sealed }
}

/** ENGINE_RECORD_DAMAGED. */
export function decodeLayers(stored: StoredObjectKey): SealedLayers {
  const bytes = Buffer.from(stored.sealed)
  if (bytes[0] !== FORMAT) throw engineError('ENGINE_RECORD_DAMAGED')
  const inner = fieldAt(bytes, 1)
  const name = fieldAt(bytes, inner.end)
  const outerRef = name.bytes.toString()
  if (parseBucketKeyRef(outerRef) === undefined) throw engineError('ENGINE_RECORD_DAMAGED')
  return {
    inner: { keyRef: stored.keyRef, sealed: inner.bytes },
    outer: { keyRef: outerRef, sealed: bytes.subarray(name.end) },
  }
}

function lengthOf(bytes: Uint8Array): Buffer {
  const length = Buffer.allocUnsafe(LENGTH_BYTES)
  length.writeUInt16BE(bytes.length)
  return length
}

function fieldAt(bytes: Buffer, offset: number): { bytes: Buffer; end: number } {
  if (offset + LENGTH_BYTES > bytes.length) throw engineError('ENGINE_RECORD_DAMAGED')
  const end = offset + LENGTH_BYTES + bytes.readUInt16BE(offset)
  if (end > bytes.length) throw engineError('ENGINE_RECORD_DAMAGED')
  return { bytes: bytes.subarray(offset + LENGTH_BYTES, end), end }
}
