import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm, createChecksum, loadChecksum } from './checksums.ts'

interface Vectors {
  readonly vectors: readonly ({ readonly sizeBytes: number } & Readonly<Record<string, string>>)[]
}

const { vectors } = JSON.parse(readFileSync(new URL('../vectors/xxhash.json', import.meta.url), 'utf8')) as Vectors
const sanityBuffer = makeSanityBuffer(3000)

function makeSanityBuffer(sizeBytes: number): Buffer {
  const buffer = Buffer.alloc(sizeBytes)
  let generator = 2_654_435_761n
  for (let index = 0; index < sizeBytes; index++) {
    buffer[index] = Number(generator >> 56n)
    generator = (generator * 11_400_714_785_074_694_797n) & 0xffff_ffff_ffff_ffffn
  }
  return buffer
}

async function sumOf(algorithm: ChecksumAlgorithm, pieces: readonly Uint8Array[]): Promise<string> {
  await loadChecksum(algorithm)
  const sum = createChecksum(algorithm)
  for (const piece of pieces) sum.update(piece)
  return sum.digest().toString('hex')
}

describe.each(['XXHASH64', 'XXHASH3', 'XXHASH128'] as const)('%s', (algorithm) => {
  it.each(vectors)('of $sizeBytes bytes is what the reference implementation says', async (vector) => {
    const bytes = sanityBuffer.subarray(0, vector.sizeBytes)
    expect(await sumOf(algorithm, [bytes])).toBe(vector[algorithm])
    const middle = Math.floor(vector.sizeBytes / 3)
    expect(await sumOf(algorithm, [bytes.subarray(0, middle), bytes.subarray(middle)])).toBe(vector[algorithm])
  })
})

// Catalogue of parametrised CRC algorithms, CRC-64/NVME and CRC-32/ISCSI: check value of the nine digits.
it.each([
  ['CRC64NVME', 'ae8b14860a799888'],
  ['CRC32', 'cbf43926'],
  ['CRC32C', 'e3069283'],
] as const)('%s has the check value of its catalogue', async (algorithm, value) => {
  expect(await sumOf(algorithm, [Buffer.from('1234'), Buffer.from('56789')])).toBe(value)
})

it.each(CHECKSUM_ALGORITHMS)('%s of two streams at once are those of each alone', async (algorithm) => {
  await loadChecksum(algorithm)
  const one = createChecksum(algorithm)
  const two = createChecksum(algorithm)
  const never = createChecksum(algorithm)
  for (let offset = 0; offset < 3000; offset += 100) {
    one.update(sanityBuffer.subarray(offset, offset + 100))
    two.update(sanityBuffer.subarray(2900 - offset, 3000 - offset))
    // A stream that its client leaves half sent.
    if (offset < 500) never.update(sanityBuffer)
  }
  const backwards = Array.from({ length: 30 }, (_, index) =>
    sanityBuffer.subarray(2900 - index * 100, 3000 - index * 100),
  )
  const digests = [one.digest().toString('hex'), two.digest().toString('hex')]
  expect(digests).toEqual([await sumOf(algorithm, [sanityBuffer]), await sumOf(algorithm, backwards)])
})
