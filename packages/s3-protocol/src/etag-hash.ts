import { createHash, getFips, hash } from 'node:crypto'

/** As long as an MD5, which is what clients expect of an ETag. */
const ETAG_BYTES = 16
export const NO_MD5 =
  'An MD5 cannot be verified: this server runs in FIPS mode. Send x-amz-checksum-sha256 or another checksum.'

/** What ETags are made of while it passes. */
export interface EtagHash {
  update(bytes: Uint8Array): void
  /** 16 bytes. */
  digest(): Buffer
}

/** Whether there is an MD5 at all: FIPS 140-3 modules have none. Read at each use, as a process may change its mode. */
export function hasMd5(): boolean {
  return getFips() === 0
}

/**
 * The MD5 of an object's bytes, as S3 promises it (S3 API, "Object", ETag); in FIPS mode the first half of their SHA-256, which
 * identifies as well and is no MD5, as the ETags of SSE-KMS are none.
 */
export function createEtagHash(): EtagHash {
  if (hasMd5()) return createHash('md5')
  const sha256 = createHash('sha256')
  return {
    update(bytes) {
      sha256.update(bytes)
    },
    digest: () => sha256.digest().subarray(0, ETAG_BYTES),
  }
}

/** The same of bytes that are here as a whole. */
export function etagHashOf(bytes: Uint8Array): Buffer {
  return hasMd5() ? hash('md5', bytes, 'buffer') : hash('sha256', bytes, 'buffer').subarray(0, ETAG_BYTES)
}
