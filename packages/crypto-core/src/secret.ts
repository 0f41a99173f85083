import { randomFillSync, timingSafeEqual } from 'node:crypto'
import { inspect } from 'node:util'
import { cryptoError } from './errors.ts'

const SHOWN = '[secret]'

/** For `insecure-export.ts` alone: the package does not export it. CRYPTO_SECRET_WIPED. */
export let bytesOf: (secret: Secret) => Uint8Array

/**
 * Bytes that must not be seen: printing, serialising or cloning one gives `[secret]` or nothing. Wiped by its owner when done.
 *
 *     const key = Secret.random(32)
 *     console.log(key)          // [secret]
 *     key.wipe()
 */
export class Secret {
  /** A private field: no inspector, serializer or clone reaches it. */
  #bytes: Uint8Array | undefined

  static {
    bytesOf = (secret) => {
      if (secret.#bytes === undefined) throw cryptoError('CRYPTO_SECRET_WIPED')
      return secret.#bytes
    }
  }

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Owns the buffer from now on; the caller lets go of it. */
  static take(bytes: Uint8Array): Secret {
    return new Secret(bytes)
  }

  static copyOf(bytes: Uint8Array): Secret {
    const copy = Buffer.allocUnsafeSlow(bytes.length)
    copy.set(bytes)
    return new Secret(copy)
  }

  /** Straight from OpenSSL's generator (NIST SP 800-90A). */
  static random(lengthBytes: number): Secret {
    return new Secret(randomFillSync(Buffer.allocUnsafeSlow(lengthBytes)))
  }

  /** Another one of the same bytes, with an owner of its own. */
  copy(): Secret {
    return Secret.copyOf(bytesOf(this))
  }

  get lengthBytes(): number {
    return bytesOf(this).length
  }

  /** In constant time for equal lengths. */
  equals(other: Secret): boolean {
    const [ours, theirs] = [bytesOf(this), bytesOf(other)]
    return ours.length === theirs.length && timingSafeEqual(ours, theirs)
  }

  /** Overwrites the bytes; any later use throws CRYPTO_SECRET_WIPED. Wiping twice is harmless. */
  wipe(): void {
    this.#bytes?.fill(0)
    this.#bytes = undefined
  }

  toString(): string {
    return SHOWN
  }

  toJSON(): string {
    return SHOWN
  }

  [Symbol.toPrimitive](): string {
    return SHOWN
  }

  [inspect.custom](): string {
    return SHOWN
  }
}
