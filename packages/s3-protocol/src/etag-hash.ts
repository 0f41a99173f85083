import { createHash, getFips, hash } from 'node:crypto'
import { SharedMd5 } from './md5/shared-md5.ts'

/** As long as an MD5, which is what clients expect of an ETag. */
const ETAG_BYTES = 16
export const NO_MD5 =
  'An MD5 cannot be verified: this server runs in FIPS mode. Send x-amz-checksum-sha256 or another checksum.'
/** Below this OpenSSL is done before there is a partner. */
const SHARED_SIZE_BYTES_MIN = 256 * 1024

/** What ETags are made of while it passes. */
export interface EtagHash {
  update(bytes: Uint8Array): void
  /** 16 bytes. */
  digest(): Buffer
  /** Instead of `digest`, when the body did not come to its end; after it, nothing. */
  discard(): void
}

/** Whether there is an MD5 at all: FIPS 140-3 modules have none. Read at each use, as a process may change its mode. */
export function hasMd5(): boolean {
  return getFips() === 0
}

/** Made for the first large body. */
let shared: SharedMd5 | 'unavailable' | undefined

/**
 * The MD5 of an object's bytes, as S3 promises it (S3 API, "Object", ETag); in FIPS mode the first half of their SHA-256, which
 * identifies as well and is no MD5, as the ETags of SSE-KMS are none. Bodies whose size is known to be large are digested two at
 * a time, where there are two.
 */
export function createEtagHash(options: { readonly sizeBytes?: number | undefined } = {}): EtagHash {
  if (!hasMd5()) return opensslHash('sha256')
  return largeMd5(options.sizeBytes ?? 0) ?? opensslHash('md5')
}

function largeMd5(sizeBytes: number): EtagHash | undefined {
  if (sizeBytes < SHARED_SIZE_BYTES_MIN) return undefined
  shared ??= SharedMd5.make() ?? 'unavailable'
  return shared === 'unavailable' ? undefined : shared.begin()
}

/** The same of bytes that are here as a whole. */
export function etagHashOf(bytes: Uint8Array): Buffer {
  return hasMd5() ? hash('md5', bytes, 'buffer') : hash('sha256', bytes, 'buffer').subarray(0, ETAG_BYTES)
}

function opensslHash(algorithm: 'md5' | 'sha256'): EtagHash {
  const running = createHash(algorithm)
  return {
    update(bytes) {
      running.update(bytes)
    },
    digest: () => running.digest().subarray(0, ETAG_BYTES),
    discard() {},
  }
}
