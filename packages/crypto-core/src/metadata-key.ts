import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { expandKey } from './derive.ts'
import { cryptoError } from './errors.ts'
import { encodeFields } from './fields.ts'
import { insecureExportKeyBytes } from './insecure-export.ts'
import type { Secret } from './secret.ts'

const FORMAT = 1
const RECORD_SALT_BYTES = 32
const TAG_BYTES = 16
const CIPHERTEXT_AT = 1 + RECORD_SALT_BYTES
const RECORD_NONCE = Buffer.alloc(12)
const ETAG_BYTES = 16
const SUMMARY_NONCE_BYTES = 16
const SUMMARY_BYTES = SUMMARY_NONCE_BYTES + ETAG_BYTES + TAG_BYTES

/**
 * Seals what a bucket's metadata says: whole records one by one, and the ETags of listings so that a page of a thousand opens
 * with one cipher call. FORMAT.md, section 5.
 */
export class MetadataKey {
  readonly #recordKey: Buffer
  readonly #summaryCipherKey: Buffer
  readonly #summaryMacKey: Buffer

  /** `key`: 256 uniformly random bits. The caller may wipe it afterwards. */
  constructor(key: Secret) {
    if (key.lengthBytes !== 32) throw cryptoError('CRYPTO_KEY_LENGTH')
    const bytes = insecureExportKeyBytes(key)
    this.#recordKey = expandKey(bytes, encodeFields('coffer/v1 record'))
    this.#summaryCipherKey = expandKey(bytes, encodeFields('coffer/v1 summary cipher'))
    this.#summaryMacKey = expandKey(bytes, encodeFields('coffer/v1 summary mac'))
  }

  /**
   * AES-256-GCM under a key of the record's own. A random nonce under one key would be good for 2^32 records only (NIST SP
   * 800-38D, section 8.3), and a bucket may hold more.
   */
  sealRecord(plain: Uint8Array, additionalData: Uint8Array): Buffer {
    const salt = randomBytes(RECORD_SALT_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#keyOfRecord(salt), RECORD_NONCE)
    cipher.setAAD(additionalData)
    const ciphertext = cipher.update(plain)
    cipher.final()
    return Buffer.concat([Uint8Array.of(FORMAT), salt, ciphertext, cipher.getAuthTag()])
  }

  /** CRYPTO_RECORD_DAMAGED. */
  openRecord(sealed: Uint8Array, additionalData: Uint8Array): Buffer {
    if (sealed.length < CIPHERTEXT_AT + TAG_BYTES || sealed[0] !== FORMAT) throw cryptoError('CRYPTO_RECORD_DAMAGED')
    const tagAt = sealed.length - TAG_BYTES
    const key = this.#keyOfRecord(sealed.subarray(1, CIPHERTEXT_AT))
    const decipher = createDecipheriv('aes-256-gcm', key, RECORD_NONCE, { authTagLength: TAG_BYTES })
    decipher.setAAD(additionalData)
    decipher.setAuthTag(sealed.subarray(tagAt))
    const plain = decipher.update(sealed.subarray(CIPHERTEXT_AT, tagAt))
    try {
      decipher.final()
    } catch (cause) {
      throw cryptoError('CRYPTO_RECORD_DAMAGED', undefined, { cause })
    }
    return plain
  }

  /**
   * An ETag of 16 bytes as 48: a random nonce, the ETag in AES-256-CTR whose one counter block is the nonce (NIST SP 800-38A,
   * section 6.5), and HMAC-SHA-256 cut to 128 bits (NIST SP 800-107, section 5.3.3) over nonce, ciphertext and
   * additional data. 128 random bits keep counter blocks apart for 2^48 entries at a collision risk under 2^-32.
   */
  sealSummary(etag: Uint8Array, additionalData: Uint8Array): Buffer {
    if (etag.length !== ETAG_BYTES) throw cryptoError('CRYPTO_KEY_LENGTH')
    const sealed = Buffer.allocUnsafe(SUMMARY_BYTES)
    const nonce = randomBytes(SUMMARY_NONCE_BYTES)
    sealed.set(nonce)
    const keystream = this.#keystream(nonce)
    for (let index = 0; index < ETAG_BYTES; index++) {
      sealed[SUMMARY_NONCE_BYTES + index] = (etag[index] ?? 0) ^ (keystream[index] ?? 0)
    }
    sealed.set(this.#summaryTag(sealed, additionalData), SUMMARY_NONCE_BYTES + ETAG_BYTES)
    return sealed
  }

  /** The ETags of a page, in order; undefined where an entry is damaged: it fails alone. */
  openSummaries(
    page: readonly { readonly sealed: Uint8Array; readonly additionalData: Uint8Array }[],
  ): (Buffer | undefined)[] {
    const nonces = Buffer.alloc(page.length * SUMMARY_NONCE_BYTES)
    for (const [index, { sealed }] of page.entries()) {
      nonces.set(sealed.subarray(0, SUMMARY_NONCE_BYTES), index * SUMMARY_NONCE_BYTES)
    }
    const keystream = this.#keystream(nonces)
    return page.map(({ sealed, additionalData }, entry) => {
      if (sealed.length !== SUMMARY_BYTES) return undefined
      const tag = sealed.subarray(SUMMARY_NONCE_BYTES + ETAG_BYTES)
      if (!timingSafeEqual(tag, this.#summaryTag(sealed, additionalData))) return undefined
      const etag = keystream.subarray(entry * ETAG_BYTES, (entry + 1) * ETAG_BYTES)
      for (let index = 0; index < ETAG_BYTES; index++) {
        etag[index] = (etag[index] ?? 0) ^ (sealed[SUMMARY_NONCE_BYTES + index] ?? 0)
      }
      return etag
    })
  }

  wipe(): void {
    for (const key of [this.#recordKey, this.#summaryCipherKey, this.#summaryMacKey]) key.fill(0)
  }

  #keyOfRecord(salt: Uint8Array): Buffer {
    return expandKey(this.#recordKey, salt)
  }

  /** One block of keystream for each 16-byte nonce: the block cipher itself, in one call for a whole page. */
  #keystream(nonces: Uint8Array): Buffer {
    const cipher = createCipheriv('aes-256-ecb', this.#summaryCipherKey, null)
    cipher.setAutoPadding(false)
    return cipher.update(nonces)
  }

  #summaryTag(sealed: Uint8Array, additionalData: Uint8Array): Uint8Array {
    const mac = createHmac('sha256', this.#summaryMacKey)
    mac.update(sealed.subarray(0, SUMMARY_NONCE_BYTES + ETAG_BYTES))
    return mac.update(additionalData).digest().subarray(0, TAG_BYTES)
  }
}
