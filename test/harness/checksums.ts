import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Xxh3_64, Xxh3_128, Xxh64 } from '@aws-sdk/checksums/xxh'

/**
 * The checksums of S3, bit by bit from their definitions or by AWS's own code, so that a test does not lean on the code it tests.
 * CRC-32C: RFC 3720 appendix B.4 (reflected polynomial 0x82f63b78). CRC-64/NVME: NVM Express NVM Command Set 1.0,
 * "64b CRC Definition" (reflected polynomial 0x9a6c9329ac4bc9b5).
 */
export type ChecksumName =
  | 'CRC32'
  | 'CRC32C'
  | 'CRC64NVME'
  | 'SHA1'
  | 'SHA256'
  | 'SHA512'
  | 'MD5'
  | 'XXHASH64'
  | 'XXHASH3'
  | 'XXHASH128'

const CRC32C_POLYNOMIAL = 0x82f63b78
const CRC64NVME_POLYNOMIAL = 0x9a6c9329ac4bc9b5n
const ALL_ONES_64 = 0xffffffffffffffffn

function crc32c(bytes: Uint8Array): Buffer {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0)
  }
  return uint32((crc ^ 0xffffffff) >>> 0)
}

function crc64nvme(bytes: Uint8Array): Buffer {
  let crc = ALL_ONES_64
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ (crc & 1n ? CRC64NVME_POLYNOMIAL : 0n)
  }
  const result = Buffer.alloc(8)
  result.writeBigUInt64BE(crc ^ ALL_ONES_64)
  return result
}

function uint32(value: number): Buffer {
  const result = Buffer.alloc(4)
  result.writeUInt32BE(value)
  return result
}

async function xxhash(sum: Xxh64 | Xxh3_64 | Xxh3_128, bytes: Uint8Array): Promise<Uint8Array> {
  sum.update(bytes)
  return await sum.digest()
}

const DIGESTS: Record<ChecksumName, (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>> = {
  CRC32: (bytes) => uint32(crc32(bytes)),
  CRC32C: crc32c,
  CRC64NVME: crc64nvme,
  SHA1: (bytes) => createHash('sha1').update(bytes).digest(),
  SHA256: (bytes) => createHash('sha256').update(bytes).digest(),
  SHA512: (bytes) => createHash('sha512').update(bytes).digest(),
  MD5: (bytes) => createHash('md5').update(bytes).digest(),
  XXHASH64: (bytes) => xxhash(new Xxh64(), bytes),
  XXHASH3: (bytes) => xxhash(new Xxh3_64(), bytes),
  XXHASH128: (bytes) => xxhash(new Xxh3_128(), bytes),
}

export const CHECKSUM_NAMES = Object.keys(DIGESTS) as ChecksumName[]

/** Base64, as S3 headers carry it. */
export async function checksumOf(name: ChecksumName, bytes: Uint8Array): Promise<string> {
  return Buffer.from(await DIGESTS[name](bytes)).toString('base64')
}

/** The checksum of the parts' checksums, with their number. */
export async function compositeOf(name: ChecksumName, parts: readonly Uint8Array[]): Promise<string> {
  const digests = Buffer.concat(await Promise.all(parts.map((part) => DIGESTS[name](part))))
  return `${await checksumOf(name, digests)}-${parts.length}`
}
