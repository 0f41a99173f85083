import type { WrappedKey } from '@coffer/kms'
import { kmsApiError } from './errors.ts'

const FORMAT = 1
const CONNECTOR = /^[a-z0-9-]{1,32}$/
const KEY_ID = /^[A-Za-z0-9._-]{1,64}$/
const VERSION_BYTES = 4
const LENGTH_BYTES = 2

/** What a ciphertext blob holds: a data key that the KMS wrapped, and the plaintext sealed under it. */
export interface CiphertextBlob {
  readonly wrapped: WrappedKey
  readonly sealed: Uint8Array
}

/**
 * Names the key of a blob: format (1 byte), connector and key id (each its length in 1 byte, then text), version (u32 BE). It
 * begins the blob and is authenticated with the plaintext.
 */
export function encodeHeader({ connector, keyId, keyVersion }: Omit<WrappedKey, 'ciphertext'>): Buffer {
  const version = Buffer.alloc(VERSION_BYTES)
  version.writeUInt32BE(keyVersion)
  return Buffer.concat([Buffer.from([FORMAT]), withLength(connector), withLength(keyId), version])
}

/** The header, the length of the wrapped data key (u16 BE), the wrapped data key, the sealed plaintext to the end. */
export function encodeBlob({ wrapped, sealed }: CiphertextBlob): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt16BE(wrapped.ciphertext.length)
  return Buffer.concat([encodeHeader(wrapped), length, wrapped.ciphertext, sealed])
}

/** InvalidCiphertextException. Nothing is authenticated yet. */
export function decodeBlob(blob: Buffer): CiphertextBlob {
  let offset = 0
  const take = (sizeBytes: number): Buffer => {
    if (offset + sizeBytes > blob.length) throw kmsApiError('InvalidCiphertextException')
    offset += sizeBytes
    return blob.subarray(offset - sizeBytes, offset)
  }
  const takeText = (form: RegExp): string => {
    const text = take(take(1).readUInt8()).toString('latin1')
    if (!form.test(text)) throw kmsApiError('InvalidCiphertextException')
    return text
  }
  if (take(1).readUInt8() !== FORMAT) throw kmsApiError('InvalidCiphertextException')
  const connector = takeText(CONNECTOR)
  const keyId = takeText(KEY_ID)
  const keyVersion = take(VERSION_BYTES).readUInt32BE()
  const ciphertext = take(take(LENGTH_BYTES).readUInt16BE())
  const sealed = take(blob.length - offset)
  if (keyVersion === 0 || sealed.length === 0) throw kmsApiError('InvalidCiphertextException')
  return { wrapped: { connector, keyId, keyVersion, ciphertext }, sealed }
}

function withLength(text: string): Buffer {
  return Buffer.from(`\0${text}`, 'latin1').fill(text.length, 0, 1)
}
