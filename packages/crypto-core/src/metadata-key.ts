import { type Cipheriv, createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto'
import { invariant } from '@coffer/errors'
import { expandKey } from './derive.ts'
import { cryptoError } from './errors.ts'
import { encodeFields } from './fields.ts'
import { insecureExportKeyBytes } from './insecure-export.ts'
import { fillPublicRandom } from './random.ts'
import { Secret } from './secret.ts'

const FORMAT = 1
const RECORD_SALT_BYTES = 32
const TAG_BYTES = 16
const RECORD_CIPHERTEXT_AT = 1 + RECORD_SALT_BYTES
/** Each record has a key of its own (see `sealRecord`), so that its nonce may be fixed: NIST SP 800-38D, section 8. */
const RECORD_NONCE = Buffer.alloc(12)
const ETAG_BYTES = 16
const SUMMARY_NONCE_BYTES = 16
const SUMMARY_TAG_AT = SUMMARY_NONCE_BYTES + ETAG_BYTES
const SUMMARY_BYTES = SUMMARY_TAG_AT + TAG_BYTES
const HMAC_BYTES = 32

/** Holds one HMAC at a time: digests come as text and are written here, as text costs 1.7 µs and a new buffer 2.4. */
const macScratch = Buffer.allocUnsafeSlow(HMAC_BYTES)

export interface SealedSummary {
  readonly sealed: Uint8Array
  readonly additionalData: Uint8Array
}

/**
 * Seals what a bucket's metadata says: whole records one by one, and the ETags of listings so that a page of a thousand opens
 * with one cipher call. FORMAT.md, section 5.
 */
export class MetadataKey {
  readonly #recordKey: Secret
  readonly #summaryCipherKey: Secret
  readonly #summaryMacKey: Secret
  /** One for all summaries: a bare block cipher remembers nothing of the blocks before, and a new one costs 1 µs. */
  #summaryCipher: Cipheriv | undefined

  /** `key`: 256 uniformly random bits. The caller may wipe it afterwards. */
  constructor(key: Secret) {
    if (key.lengthBytes !== 32) throw cryptoError('CRYPTO_KEY_LENGTH')
    this.#recordKey = Secret.take(expandKey(key, encodeFields('coffer/v1 record')))
    this.#summaryCipherKey = Secret.take(expandKey(key, encodeFields('coffer/v1 summary cipher')))
    this.#summaryMacKey = Secret.take(expandKey(key, encodeFields('coffer/v1 summary mac')))
  }

  /** Of a key that nobody else needs: it is wiped. */
  static take(key: Secret): MetadataKey {
    try {
      return new MetadataKey(key)
    } finally {
      key.wipe()
    }
  }

  /**
   * AES-256-GCM under a key of the record's own. A random nonce under one key would be good for 2^32 records only (NIST SP
   * 800-38D, section 8.3), and a bucket may see more.
   */
  sealRecord(plain: Uint8Array, additionalData: Uint8Array): Buffer {
    const clear = Buffer.allocUnsafe(RECORD_CIPHERTEXT_AT)
    clear.writeUInt8(FORMAT, 0)
    fillPublicRandom(clear, 1, RECORD_SALT_BYTES)
    const key = expandKey(this.#recordKey, clear)
    const cipher = createCipheriv('aes-256-gcm', key, RECORD_NONCE)
    key.fill(0)
    cipher.setAAD(additionalData)
    const ciphertext = cipher.update(plain)
    cipher.final()
    return Buffer.concat([clear, ciphertext, cipher.getAuthTag()])
  }

  /** CRYPTO_RECORD_DAMAGED. */
  openRecord(sealed: Uint8Array, additionalData: Uint8Array): Buffer {
    const tagAt = sealed.length - TAG_BYTES
    if (tagAt < RECORD_CIPHERTEXT_AT || sealed[0] !== FORMAT) throw cryptoError('CRYPTO_RECORD_DAMAGED')
    const key = expandKey(this.#recordKey, sealed.subarray(0, RECORD_CIPHERTEXT_AT))
    const decipher = createDecipheriv('aes-256-gcm', key, RECORD_NONCE, { authTagLength: TAG_BYTES })
    key.fill(0)
    decipher.setAAD(additionalData)
    decipher.setAuthTag(sealed.subarray(tagAt))
    const plain = decipher.update(sealed.subarray(RECORD_CIPHERTEXT_AT, tagAt))
    try {
      decipher.final()
    } catch (cause) {
      plain.fill(0)
      throw cryptoError('CRYPTO_RECORD_DAMAGED', undefined, { cause })
    }
    return plain
  }

  /**
   * An ETag of 16 bytes as 48: a random nonce, the ETag in AES-256-CTR whose one counter block is the nonce (NIST SP 800-38A,
   * section 6.5), and HMAC-SHA-256 (RFC 2104) cut to 128 bits (NIST SP 800-107, section 5.3.3) over nonce, ciphertext and
   * additional data. Among 2^48 entries two share a random counter block of 128 bits with a chance under 2^-32.
   */
  sealSummary(etag: Uint8Array, additionalData: Uint8Array): Buffer {
    invariant(etag.length === ETAG_BYTES, 'an ETag is 16 bytes')
    const sealed = Buffer.allocUnsafe(SUMMARY_BYTES)
    fillPublicRandom(sealed, 0, SUMMARY_NONCE_BYTES)
    const encrypted = xorInto(this.#keystream(sealed.subarray(0, SUMMARY_NONCE_BYTES)), etag)
    sealed.set(encrypted, SUMMARY_NONCE_BYTES)
    sealed.set(this.#summaryTag(sealed.subarray(0, SUMMARY_TAG_AT), additionalData), SUMMARY_TAG_AT)
    return sealed
  }

  /** The ETags of a page, in order, 16 bytes each; undefined where an entry is damaged: it fails alone. */
  openSummaries(page: readonly SealedSummary[]): (Buffer | undefined)[] {
    const nonces = Buffer.alloc(page.length * SUMMARY_NONCE_BYTES)
    const encrypted = Buffer.alloc(page.length * ETAG_BYTES)
    const isGenuine = page.map(({ sealed, additionalData }, entry) => {
      if (sealed.length !== SUMMARY_BYTES) return false
      const tag = this.#summaryTag(sealed.subarray(0, SUMMARY_TAG_AT), additionalData)
      if (!timingSafeEqual(sealed.subarray(SUMMARY_TAG_AT), tag)) return false
      nonces.set(sealed.subarray(0, SUMMARY_NONCE_BYTES), entry * SUMMARY_NONCE_BYTES)
      encrypted.set(sealed.subarray(SUMMARY_NONCE_BYTES, SUMMARY_TAG_AT), entry * ETAG_BYTES)
      return true
    })
    const etags = xorInto(this.#keystream(nonces), encrypted)
    return isGenuine.map((genuine, entry) =>
      genuine ? etags.subarray(entry * ETAG_BYTES, (entry + 1) * ETAG_BYTES) : undefined,
    )
  }

  /** Overwrites the keys; any later use throws CRYPTO_SECRET_WIPED. */
  wipe(): void {
    for (const key of [this.#recordKey, this.#summaryCipherKey, this.#summaryMacKey]) key.wipe()
    // OpenSSL overwrites its copy of the key when the cipher is collected (EVP_CIPHER_CTX_free).
    this.#summaryCipher = undefined
  }

  /** One block of keystream for each 16-byte nonce: the bare block cipher, in one call for a whole page. */
  #keystream(nonces: Uint8Array): Buffer {
    this.#summaryCipher ??= blockCipher(this.#summaryCipherKey)
    return this.#summaryCipher.update(nonces)
  }

  /** Valid until the next call. */
  #summaryTag(nonceAndEncrypted: Uint8Array, additionalData: Uint8Array): Uint8Array {
    const mac = createHmac('sha256', insecureExportKeyBytes(this.#summaryMacKey))
    macScratch.write(mac.update(nonceAndEncrypted).update(additionalData).digest('latin1'), 'latin1')
    return macScratch.subarray(0, TAG_BYTES)
  }
}

/** AES-256 alone, block by block (NIST SP 800-38A, section 6.1): what it is given is as long as so many blocks. */
function blockCipher(key: Secret): Cipheriv {
  return createCipheriv('aes-256-ecb', insecureExportKeyBytes(key), null).setAutoPadding(false)
}

function xorInto(target: Buffer, other: Uint8Array): Buffer {
  for (let index = 0; index < target.length; index++) target[index] = (target[index] ?? 0) ^ (other[index] ?? 0)
  return target
}
