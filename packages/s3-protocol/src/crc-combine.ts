import type { ChecksumAlgorithm } from './checksums.ts'
import { s3Error } from './errors.ts'

/** NVM Express NVM Command Set Specification, section 5.2.1.3.4, reflected: the lowest bit is the highest power. */
export const CRC64NVME_POLYNOMIAL = 0x9a6c9329ac4bc9b5n
/** Reflected polynomials: ISO 3309 (CRC-32), RFC 3720 section 12.1 (CRC-32C), NVM Express (CRC-64). */
const CRCS: Readonly<Partial<Record<ChecksumAlgorithm, { readonly polynomial: bigint; readonly bits: number }>>> = {
  CRC32: { polynomial: 0xedb88320n, bits: 32 },
  CRC32C: { polynomial: 0x82f63b78n, bits: 32 },
  CRC64NVME: { polynomial: CRC64NVME_POLYNOMIAL, bits: 64 },
}

/**
 * The CRC of the concatenation out of the CRCs of its parts, without their bytes: the CRC of A followed by n zero bytes is
 * that of A times x^(8n) modulo the polynomial, and CRCs add by XOR. Base64. A part costs O(log n).
 */
export function combineCrc(
  algorithm: ChecksumAlgorithm,
  parts: readonly { readonly value: Uint8Array; readonly sizeBytes: number }[],
): string {
  const crc = CRCS[algorithm]
  if (crc === undefined) throw s3Error('InternalError')
  const { polynomial, bits } = crc
  let combined = 0n
  for (const { value, sizeBytes } of parts) {
    const shifted = multiplyCrc(combined, powerOfX(8n * BigInt(sizeBytes), polynomial, bits), polynomial, bits)
    combined = shifted ^ BigInt(`0x${Buffer.from(value).toString('hex') || '0'}`)
  }
  return Buffer.from(combined.toString(16).padStart(bits / 4, '0'), 'hex').toString('base64')
}

/** a·b modulo the polynomial, in reflected representation: the highest bit is x^0. */
export function multiplyCrc(a: bigint, b: bigint, polynomial: bigint, bits: number): bigint {
  let product = 0n
  let multiplicand = b
  for (let mask = 1n << BigInt(bits - 1); mask > 0n; mask >>= 1n) {
    if ((a & mask) !== 0n) product ^= multiplicand
    multiplicand = (multiplicand & 1n) === 1n ? (multiplicand >> 1n) ^ polynomial : multiplicand >> 1n
  }
  return product
}

/** x^exponent modulo the polynomial, likewise. */
export function powerOfX(exponent: bigint, polynomial: bigint, bits: number): bigint {
  let result = 1n << BigInt(bits - 1)
  let square = 1n << BigInt(bits - 2)
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = multiplyCrc(result, square, polynomial, bits)
    square = multiplyCrc(square, square, polynomial, bits)
  }
  return result
}
