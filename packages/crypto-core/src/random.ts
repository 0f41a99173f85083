import { randomFillSync } from 'node:crypto'
import { invariant } from '@coffer/errors'

/** 32 salts: few enough that little is drawn ahead, enough that a salt costs 0.1 µs instead of 1.5. */
const POOL_BYTES = 1024

const pool = Buffer.alloc(POOL_BYTES)
let takenBytes = POOL_BYTES

/**
 * Fills a part of `target` with random bytes that will stand in the clear: salts and nonces. They come from a pool that one
 * call of OpenSSL's generator (NIST SP 800-90A) fills; each byte is handed out once and wiped from the pool. Keys never come
 * from here, but straight from the generator (`Secret.random`).
 */
export function fillPublicRandom(target: Uint8Array, offset: number, lengthBytes: number): void {
  invariant(lengthBytes <= POOL_BYTES, 'a salt is longer than the pool')
  if (takenBytes + lengthBytes > POOL_BYTES) {
    randomFillSync(pool)
    takenBytes = 0
  }
  const taken = pool.subarray(takenBytes, takenBytes + lengthBytes)
  takenBytes += lengthBytes
  target.set(taken, offset)
  taken.fill(0)
}
