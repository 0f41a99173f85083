import { multiplyCrc, CRC64NVME_POLYNOMIAL as POLYNOMIAL, powerOfX } from '../crc-combine.ts'

const BITS = 64
const BYTE_BITS = 8

/** For each value of one byte (0: the lowest) of a sum: what it is after so many bytes of zeros. It is linear: bits add by XOR. */
export function zerosTable(byte: number, zeroBytes: number): BigUint64Array {
  const zeros = powerOfX(BigInt(zeroBytes * BYTE_BITS), POLYNOMIAL, BITS)
  const ofBits = Array.from({ length: BYTE_BITS }, (_, bit) =>
    multiplyCrc(1n << BigInt(byte * BYTE_BITS + bit), zeros, POLYNOMIAL, BITS),
  )
  return BigUint64Array.from({ length: 2 ** BYTE_BITS }, (_, value) =>
    ofBits.reduce((sum, ofBit, bit) => ((value >> bit) & 1 ? sum ^ ofBit : sum), 0n),
  )
}
