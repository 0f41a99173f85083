import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import { Crc64Nvme } from './crc64/crc64-nvme.ts'
import { invalidArgument, s3Error } from './errors.ts'
import { hasMd5, NO_MD5 } from './etag-hash.ts'
import { loadWasmSum, type WasmAlgorithm, WasmSum } from './wasm-sums.ts'

/** S3 User Guide, "Checking object integrity". */
export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'SHA1' | 'SHA256' | 'SHA512' | 'MD5' | 'CRC64NVME' | WasmAlgorithm
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE'

export interface Checksum {
  update(bytes: Uint8Array): void
  digest(): Buffer
}

interface AlgorithmRow {
  readonly sizeBytes: number
  readonly types: readonly ChecksumType[]
  readonly create: () => Checksum
}

/** Per algorithm: digest size, the types that a multipart upload may have (the first is the default), and a fresh sum. */
const ALGORITHMS: Readonly<Record<ChecksumAlgorithm, AlgorithmRow>> = {
  CRC32: { sizeBytes: 4, types: ['COMPOSITE', 'FULL_OBJECT'], create: () => new Crc32Sum(crc32) },
  CRC32C: {
    sizeBytes: 4,
    types: ['COMPOSITE', 'FULL_OBJECT'],
    create: () =>
      new Crc32Sum((bytes, value) => crc32c(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), value)),
  },
  CRC64NVME: { sizeBytes: 8, types: ['FULL_OBJECT'], create: () => new Crc64Nvme() },
  SHA1: { sizeBytes: 20, types: ['COMPOSITE'], create: () => createHash('sha1') },
  SHA256: { sizeBytes: 32, types: ['COMPOSITE'], create: () => createHash('sha256') },
  SHA512: { sizeBytes: 64, types: ['COMPOSITE'], create: () => createHash('sha512') },
  MD5: { sizeBytes: 16, types: ['COMPOSITE'], create: () => createHash('md5') },
  XXHASH64: { sizeBytes: 8, types: ['COMPOSITE'], create: () => new WasmSum('XXHASH64') },
  XXHASH3: { sizeBytes: 8, types: ['COMPOSITE'], create: () => new WasmSum('XXHASH3') },
  XXHASH128: { sizeBytes: 16, types: ['COMPOSITE'], create: () => new WasmSum('XXHASH128') },
}

/** What S3 computes of an object whose client names no checksum (S3 User Guide, "Checking object integrity"). */
export const DEFAULT_CHECKSUM_ALGORITHM: ChecksumAlgorithm = 'CRC64NVME'

export const CHECKSUM_ALGORITHMS = Object.keys(ALGORITHMS) as readonly ChecksumAlgorithm[]

class Crc32Sum implements Checksum {
  readonly #next: (bytes: Uint8Array, value: number) => number
  #value = 0

  constructor(next: (bytes: Uint8Array, value: number) => number) {
    this.#next = next
  }

  update(bytes: Uint8Array): void {
    this.#value = this.#next(bytes, this.#value)
  }

  digest(): Buffer {
    const value = Buffer.allocUnsafe(4)
    value.writeUInt32BE(this.#value >>> 0)
    return value
  }
}

/** Whether this server has the algorithm: in FIPS mode there is no MD5. */
export function hasChecksum(algorithm: ChecksumAlgorithm): boolean {
  return algorithm !== 'MD5' || hasMd5()
}

/** To be awaited before the first `createChecksum` of an algorithm in a process. Undefined: nothing to wait for. */
export function loadChecksum(algorithm: ChecksumAlgorithm | undefined): Promise<void> | undefined {
  return algorithm?.startsWith('XXHASH') ? loadWasmSum(algorithm as WasmAlgorithm) : undefined
}

export function createChecksum(algorithm: ChecksumAlgorithm): Checksum {
  return ALGORITHMS[algorithm].create()
}

/** The checksum of a multipart object that is a checksum of its parts': base64, `-`, number of parts. */
export async function compositeChecksum(algorithm: ChecksumAlgorithm, parts: readonly Uint8Array[]): Promise<string> {
  await loadChecksum(algorithm)
  const sum = createChecksum(algorithm)
  for (const part of parts) sum.update(part)
  return `${sum.digest().toString('base64')}-${parts.length}`
}

type Headers = Readonly<Record<string, string | undefined>>

/** The one x-amz-checksum-<algorithm> of a request; its value is base64 of the right length. InvalidRequest. */
export function parseChecksumHeader(headers: Headers): { algorithm: ChecksumAlgorithm; value: string } | undefined {
  let found: { algorithm: ChecksumAlgorithm; value: string } | undefined
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = headers[headerOf(algorithm)]
    if (value === undefined) continue
    assertAvailable(algorithm)
    if (found !== undefined) {
      throw s3Error('InvalidRequest', {
        message: 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
      })
    }
    assertChecksumValue(algorithm, value)
    found = { algorithm, value }
  }
  return found
}

export function headerOf(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`
}

/** Base64 of the algorithm's digest size; a composite one ends in its number of parts. */
export function assertChecksumValue(algorithm: ChecksumAlgorithm, value: string): void {
  const [base64 = '', count] = value.split('-')
  const bytes = Buffer.from(base64, 'base64')
  const fits = bytes.length === ALGORITHMS[algorithm].sizeBytes && bytes.toString('base64') === base64
  if (!fits || (count !== undefined && !/^\d{1,5}$/.test(count))) {
    throw s3Error('InvalidRequest', { message: `Value for ${headerOf(algorithm)} header is invalid.` })
  }
}

/** x-amz-checksum-algorithm (or the older x-amz-sdk-checksum-algorithm). InvalidRequest for one that S3 does not have. */
export function parseChecksumAlgorithm(headers: Headers): ChecksumAlgorithm | undefined {
  const name = headers['x-amz-checksum-algorithm'] ?? headers['x-amz-sdk-checksum-algorithm']
  return name === undefined ? undefined : checksumAlgorithmNamed(name)
}

export function checksumAlgorithmNamed(name: string): ChecksumAlgorithm {
  const algorithm = CHECKSUM_ALGORITHMS.find((known) => known === name.toUpperCase())
  if (algorithm === undefined) {
    throw s3Error('InvalidRequest', {
      message: `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${CHECKSUM_ALGORITHMS.join(', ')}]`,
    })
  }
  assertAvailable(algorithm)
  return algorithm
}

/** A digest that is not checked must not look as if it were. */
function assertAvailable(algorithm: ChecksumAlgorithm): void {
  if (!hasChecksum(algorithm)) throw s3Error('InvalidRequest', { message: NO_MD5 })
}

/** CreateMultipartUpload: the checksum that the object is to have; undefined: the client named none. InvalidRequest, InvalidArgument. */
export function parseUploadChecksum(
  headers: Headers,
): { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined {
  const algorithm = parseChecksumAlgorithm(headers)
  if (algorithm !== undefined) return { algorithm, type: parseChecksumType(headers, algorithm) }
  if (headers['x-amz-checksum-type'] === undefined) return undefined
  throw s3Error('InvalidRequest', {
    message: 'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
  })
}

/** x-amz-checksum-type of a multipart upload, or the algorithm's default. */
function parseChecksumType(headers: Headers, algorithm: ChecksumAlgorithm): ChecksumType {
  const { types } = ALGORITHMS[algorithm]
  const [fallback = 'FULL_OBJECT'] = types
  const name = headers['x-amz-checksum-type']
  if (name === undefined) return fallback
  const type = types.find((known) => known === name.toUpperCase())
  if (type === undefined) {
    const known = name.toUpperCase() === 'COMPOSITE' || name.toUpperCase() === 'FULL_OBJECT'
    if (!known) throw invalidArgument('x-amz-checksum-type', name, 'The checksum type is not valid.')
    throw s3Error('InvalidRequest', {
      message: `The ${name.toUpperCase()} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    })
  }
  return type
}
