import { createHmac, hkdfSync } from 'node:crypto'
import { insecureExportKeyBytes } from './insecure-export.ts'
import type { Secret } from './secret.ts'

/** RFC 5869, section 2.3: the counter of the first block. */
const FIRST_BLOCK = Uint8Array.of(1)

/**
 * HKDF-Expand with SHA-256 (RFC 5869, section 2.3), 32 bytes, which are one HMAC: for keys that are uniformly random already,
 * where RFC 5869, section 3.3 allows to leave Extract out. 2.6 µs, where `hkdfSync` takes 4.5.
 */
export function expandKey(key: Secret, info: Uint8Array): Buffer {
  return createHmac('sha256', insecureExportKeyBytes(key)).update(info).update(FIRST_BLOCK).digest()
}

/** HKDF with SHA-256, Extract and Expand (RFC 5869, sections 2.2 and 2.3). */
export function extractAndExpand(key: Uint8Array, salt: Uint8Array, info: Uint8Array, lengthBytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, info, lengthBytes))
}
