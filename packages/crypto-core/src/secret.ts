import { randomFillSync, timingSafeEqual } from 'node:crypto'
import { inspect } from 'node:util'
import { cryptoError } from './errors.ts'
import { KEY_BYTES } from './key-bytes.ts'

const SHOWN = '[secret]'

/**
 * Bytes that must not be seen: printing, serialising or cloning one gives `[secret]` or nothing. Wiped by its owner when done.
 *
 *     const key = Secret.random(32)
 *     console.log(key)          // [secret]
 *     key.wipe()
 */
export class Secret {
  private constructor(bytes: Uint8Array) {
    KEY_BYTES.set(this, bytes)
  }

  /** Owns the buffer from now on; the caller lets go of it. */
  static take(bytes: Uint8Array): Secret {
    return new Secret(bytes)
  }

  static copyOf(bytes: Uint8Array): Secret {
    return new Secret(Uint8Array.from(bytes))
  }

  static random(lengthBytes: number): Secret {
    return new Secret(randomFillSync(new Uint8Array(lengthBytes)))
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
    KEY_BYTES.get(this)?.fill(0)
    KEY_BYTES.delete(this)
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

function bytesOf(secret: Secret): Uint8Array {
  const bytes = KEY_BYTES.get(secret)
  if (bytes === undefined) throw cryptoError('CRYPTO_SECRET_WIPED')
  return bytes
}
