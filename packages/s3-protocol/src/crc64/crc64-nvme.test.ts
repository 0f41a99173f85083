import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { STRIPE_BYTES } from './crc64-module.ts'
import { Crc64Nvme } from './crc64-nvme.ts'

/** Bit by bit, as the specification writes it. */
function reference(bytes: Uint8Array): string {
  const all = 0xffffffffffffffffn
  let sum = all
  for (const byte of bytes) {
    sum ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) sum = (sum >> 1n) ^ (sum & 1n ? 0x9a6c9329ac4bc9b5n : 0n)
  }
  return (sum ^ all).toString(16).padStart(16, '0')
}

function sumOf(...pieces: readonly Uint8Array[]): string {
  const sum = new Crc64Nvme()
  for (const piece of pieces) sum.update(piece)
  return sum.digest().toString('hex')
}

describe('CRC-64/NVME', () => {
  it('gives the check value of the CRC catalogue, and that of nothing', () => {
    expect(sumOf(Buffer.from('123456789'))).toBe('ae8b14860a799888')
    expect(sumOf()).toBe('0000000000000000')
  })

  it('gives the values of the NVM Express specification', () => {
    expect(sumOf(Buffer.alloc(4096))).toBe('6482d367eb22b64e')
    expect(sumOf(Buffer.alloc(4096, 0xff))).toBe('c0ddba7302eca3ac')
  })

  it('is right around the sizes at which it changes its way', () => {
    const sizes = [1, 7, 8, 9, STRIPE_BYTES - 1, STRIPE_BYTES, STRIPE_BYTES + 9, 65_536, 65_537, 65_536 + STRIPE_BYTES]
    for (const sizeBytes of sizes) {
      const bytes = randomBytes(sizeBytes)
      expect(sumOf(bytes)).toBe(reference(bytes))
    }
  })

  it('is the same for any split, beside other sums', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9000), { maxLength: 6 }), (sizes) => {
        const pieces = sizes.map((sizeBytes) => randomBytes(sizeBytes))
        const [sum, other] = [new Crc64Nvme(), new Crc64Nvme()]
        for (const piece of pieces) {
          sum.update(piece)
          other.update(randomBytes(100))
        }
        expect(sum.digest().toString('hex')).toBe(reference(Buffer.concat(pieces)))
      }),
      { numRuns: 25 },
    )
  })
})
