import { getFips } from 'node:crypto'
import { isCofferError } from '@coffer/errors'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { algorithmNamed, DATA_ALGORITHMS, type DataAlgorithm } from './algorithms.ts'
import { joinLayers, splitLayers } from './layers.ts'
import { generateObjectKey } from './object-key.ts'
import { Secret } from './secret.ts'
import {
  newStreamHeader,
  SEGMENT_SIZE_BYTES,
  STREAM_HEADER_SIZE_BYTES,
  sealedRangeOf,
  sealedSizeBytes,
  streamSaltOf,
} from './stream-format.ts'
import { StreamOpener } from './stream-opener.ts'
import { StreamSealer } from './stream-sealer.ts'
import { openWhole, sealWhole } from './whole.ts'

const withCode = (code: string) => expect.toSatisfy((error) => isCofferError(error, code))
const NOTHING = new Uint8Array(0)
const objectKey = generateObjectKey('AES-256-GCM')
const keyFor: Readonly<Record<DataAlgorithm, Secret>> = {
  'AES-256-GCM': objectKey,
  'CHACHA20-POLY1305': objectKey,
  'AES-256-GCM-DUAL': generateObjectKey('AES-256-GCM-DUAL'),
}
/** Under a FIPS provider, those that it has. */
const usable = DATA_ALGORITHMS.filter(({ fipsApproved }) => fipsApproved || getFips() === 0)
const algorithm = fc.constantFrom(...usable.map(({ name }) => name))
/** Lengths around the edges of segments, and others. */
const plainSize = fc.oneof(
  fc.nat(500),
  fc.constantFrom(0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 196_608),
  fc.nat(200_000),
)

function plainOf(sizeBytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: sizeBytes }, (_, index) => (index * 31 + (index >> 8)) & 255))
}

/** Cuts bytes at the given places, in any order. */
function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index]))
}

function sealInPieces(pieces: readonly Buffer[], sealer: StreamSealer, endsWithNothing: boolean): Buffer {
  const sealed = pieces.flatMap((piece, index) => sealer.seal(piece, !endsWithNothing && index === pieces.length - 1))
  return Buffer.concat(endsWithNothing ? [...sealed, ...sealer.seal(NOTHING, true)] : sealed)
}

describe('a stream', () => {
  it('opens to what was sealed, whatever its length and however it was split', () => {
    fc.assert(
      fc.property(
        plainSize,
        fc.array(fc.nat(), { maxLength: 12 }),
        algorithm,
        fc.boolean(),
        fc.boolean(),
        (sizeBytes, cuts, name, isSizeKnown, endsWithNothing) => {
          const plain = plainOf(sizeBytes)
          const header = newStreamHeader({ algorithm: name, partNumber: 3 })
          const options = isSizeKnown ? { plainSizeBytes: sizeBytes } : {}
          const sealed = sealInPieces(
            split(plain, cuts),
            new StreamSealer(keyFor[name], header, options),
            endsWithNothing,
          )
          expect(sealed.length).toBe(sealedSizeBytes(sizeBytes, algorithmNamed(name).layers))
          expect(openWhole(keyFor[name], sealed, { partNumber: 3, salt: streamSaltOf(header) }).equals(plain)).toBe(
            true,
          )
          const atOnce = new StreamSealer(keyFor[name], Buffer.from(header), { plainSizeBytes: sizeBytes }).seal(
            plain,
            true,
          )
          expect(Buffer.concat(atOnce).equals(sealed)).toBe(true)
        },
      ),
      { numRuns: 150 },
    )
  })

  it.each([
    ['AES-256-GCM', 1],
    ['AES-256-GCM-DUAL', 2],
  ] as const)('gives any range of its plaintext from the segments around it (%s)', (name, layers) => {
    const plain = plainOf(200_000)
    const sealed = sealWhole(keyFor[name], plain, { algorithm: name, partNumber: 0 })
    const header = sealed.subarray(0, STREAM_HEADER_SIZE_BYTES)
    const opener = new StreamOpener(keyFor[name], header, { plainTotalBytes: plain.length, expectedPartNumber: 0 })
    fc.assert(
      fc.property(fc.nat(199_999), fc.nat(200_000), (offsetBytes, length) => {
        const lengthBytes = Math.max(1, Math.min(length, plain.length - offsetBytes))
        const range = sealedRangeOf(plain.length, { offsetBytes, lengthBytes }, layers)
        const segments = sealed.subarray(range.offsetBytes, range.offsetBytes + range.lengthBytes)
        const opened = Buffer.concat(opener.openSegments(range.firstSegmentIndex, segments))
        const taken = opened.subarray(range.skipBytes, range.skipBytes + range.takeBytes)
        expect(taken.equals(plain.subarray(offsetBytes, offsetBytes + lengthBytes))).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  it('does not open with any bit changed', () => {
    fc.assert(
      fc.property(fc.nat(400), algorithm, fc.nat(), fc.nat(7), (sizeBytes, name, place, bit) => {
        const sealed = sealWhole(keyFor[name], plainOf(sizeBytes), { algorithm: name, partNumber: 1 })
        const offset = place % sealed.length
        sealed[offset] = (sealed[offset] ?? 0) ^ (1 << bit)
        const refused = expect.toSatisfy((error) => isCofferError(error))
        expect(() => openWhole(keyFor[name], sealed, { partNumber: 1 })).toThrow(refused)
      }),
      { numRuns: 500 },
    )
  })

  it('does not open at any shorter or longer length', () => {
    const sealed = sealWhole(objectKey, plainOf(65_600), { algorithm: 'AES-256-GCM', partNumber: 0 })
    const refused = expect.toSatisfy((error) => isCofferError(error))
    const lengths = [...Array.from({ length: 200 }, (_, cut) => sealed.length - 1 - cut), 48 + 65_552, 48, 47, 0]
    for (const length of lengths) {
      expect(() => openWhole(objectKey, sealed.subarray(0, length), { partNumber: 0 })).toThrow(refused)
    }
    for (const extra of [1, 15, 16, 17, 65_552]) {
      const longer = Buffer.concat([sealed, Buffer.alloc(extra)])
      expect(() => openWhole(objectKey, longer, { partNumber: 0 })).toThrow(refused)
    }
  })

  it('is other bytes each time', () => {
    const seal = (): Buffer => sealWhole(objectKey, plainOf(100), { algorithm: 'AES-256-GCM', partNumber: 0 })
    expect(seal().subarray(48).equals(seal().subarray(48))).toBe(false)
  })

  it('does not open with another object key, or one of another length', () => {
    const sealed = sealWhole(objectKey, plainOf(10), { algorithm: 'AES-256-GCM', partNumber: 0 })
    expect(() => openWhole(generateObjectKey('AES-256-GCM'), sealed, { partNumber: 0 })).toThrow(
      withCode('CRYPTO_SEGMENT_DAMAGED'),
    )
    expect(() => openWhole(Secret.random(31), sealed, { partNumber: 0 })).toThrow(withCode('CRYPTO_KEY_LENGTH'))
  })

  it('of two layers opens with both keys at their places, and with nothing less', () => {
    const dual = keyFor['AES-256-GCM-DUAL']
    const sealed = sealWhole(dual, plainOf(1_000), { algorithm: 'AES-256-GCM-DUAL', partNumber: 0 })
    const { inner, outer } = splitLayers(dual)
    expect(joinLayers({ inner, outer }).equals(dual)).toBe(true)
    const other = generateObjectKey('AES-256-GCM')
    for (const wrong of [
      joinLayers({ inner, outer: other }),
      joinLayers({ inner: other, outer }),
      joinLayers({ inner: outer, outer: inner }),
      joinLayers({ inner, outer: inner }),
      joinLayers({ inner: outer, outer }),
      inner,
      outer,
    ]) {
      expect(() => openWhole(wrong, sealed, { partNumber: 0 })).toThrow(
        expect.toSatisfy((error) => isCofferError(error)),
      )
    }
  })

  it('of two layers is no stream of one layer under the outer key, nor the other way round', () => {
    const { outer } = splitLayers(keyFor['AES-256-GCM-DUAL'])
    const sealed = sealWhole(keyFor['AES-256-GCM-DUAL'], plainOf(10), { algorithm: 'AES-256-GCM-DUAL', partNumber: 0 })
    const asOneLayer = Buffer.from(sealed)
    asOneLayer[5] = algorithmNamed('AES-256-GCM').id
    const refused = withCode('CRYPTO_KEY_LENGTH')
    expect(() => openWhole(keyFor['AES-256-GCM-DUAL'], asOneLayer, { partNumber: 0 })).toThrow(refused)
    expect(() => openWhole(outer, asOneLayer, { partNumber: 0 })).toThrow(withCode('CRYPTO_SEGMENT_DAMAGED'))
    expect(() => openWhole(outer, sealed, { partNumber: 0 })).toThrow(refused)
  })

  it('does not open as another part, or as another attempt of its part', () => {
    const options = { algorithm: 'AES-256-GCM', partNumber: 4 } as const
    const [older, newer] = [sealWhole(objectKey, plainOf(10), options), sealWhole(objectKey, plainOf(10), options)]
    const mismatch = withCode('CRYPTO_STREAM_MISMATCH')
    expect(() => openWhole(objectKey, older, { partNumber: 5 })).toThrow(mismatch)
    expect(() => openWhole(objectKey, older, { partNumber: 4, salt: streamSaltOf(newer.subarray(0, 48)) })).toThrow(
      mismatch,
    )
    expect(() => openWhole(objectKey, older, { partNumber: 4, salt: Buffer.alloc(31) })).toThrow(mismatch)
  })
})

describe('a sealer', () => {
  const newHeader = () => newStreamHeader({ algorithm: 'AES-256-GCM', partNumber: 0 })
  const sealerOf = (plainSizeBytes?: number): StreamSealer =>
    new StreamSealer(objectKey, newHeader(), plainSizeBytes === undefined ? {} : { plainSizeBytes })
  const ended = withCode('CRYPTO_STREAM_ENDED')
  const sizeOf = (pieces: readonly Uint8Array[]): number => pieces.reduce((sum, piece) => sum + piece.length, 0)

  it('of a known size holds nothing back', () => {
    const sealer = sealerOf(200_000)
    expect(sizeOf(sealer.seal(plainOf(100), false))).toBe(48 + 100)
    expect(sizeOf(sealer.seal(plainOf(70_000), false))).toBe(70_000 + 16)
  })

  it('of an unknown size holds back one segment at most', () => {
    const sealer = sealerOf()
    let [givenBytes, sealedBytes] = [0, 0]
    for (const chunkBytes of [0, 1, 65_535, 0, 1, 100, 65_436, 65_536, 200_000, 7]) {
      givenBytes += chunkBytes
      sealedBytes += sizeOf(sealer.seal(plainOf(chunkBytes), false))
      const heldBytes = givenBytes - (sealedBytes - 48 - 16 * Math.floor((sealedBytes - 48) / 65_552))
      expect(heldBytes).toBeLessThanOrEqual(SEGMENT_SIZE_BYTES)
    }
  })

  it('of an unknown size copies what it holds, so that its caller may use the buffer again', () => {
    const sealer = sealerOf()
    const chunk = Buffer.from('reused')
    const first = sealer.seal(chunk, false)
    chunk.fill(0)
    const sealed = Buffer.concat([...first, ...sealer.seal(NOTHING, true)])
    expect(openWhole(objectKey, sealed, { partNumber: 0 }).toString()).toBe('reused')
  })

  it('does not change the bytes that it is given', () => {
    const plain = plainOf(70_000)
    sealerOf(70_000).seal(plain, true)
    expect(plain.equals(plainOf(70_000))).toBe(true)
  })

  it('refuses more or fewer bytes than were announced', () => {
    expect(() => sealerOf(10).seal(plainOf(11), false)).toThrow(ended)
    expect(() => sealerOf(10).seal(plainOf(9), true)).toThrow(ended)
    expect(() => sealerOf(0).seal(plainOf(1), true)).toThrow(ended)
    expect(() => sealerOf(-1)).toThrow(withCode('CRYPTO_SIZE_INVALID'))
  })

  it.each([10, undefined])('refuses bytes after the final ones (announced: %s)', (announced) => {
    const sealer = sealerOf(announced)
    sealer.seal(plainOf(10), true)
    expect(() => sealer.seal(plainOf(1), false)).toThrow(ended)
    expect(() => sealer.seal(NOTHING, true)).toThrow(ended)
  })

  it('refuses a header that has sealed before: its nonces would repeat', () => {
    const header = newHeader()
    new StreamSealer(objectKey, header)
    const used = withCode('CRYPTO_HEADER_USED')
    expect(() => new StreamSealer(objectKey, header)).toThrow(used)
    expect(() => new StreamSealer(generateObjectKey('AES-256-GCM'), header)).toThrow(used)
  })

  it('that is given up seals nothing more', () => {
    const sealer = sealerOf()
    sealer.seal(plainOf(10), false)
    sealer.wipe()
    expect(() => sealer.seal(plainOf(10), false)).toThrow(ended)
  })

  it('refuses a header that it does not know', () => {
    expect(() => new StreamSealer(objectKey, Buffer.alloc(48))).toThrow(withCode('CRYPTO_HEADER_UNKNOWN'))
  })
})

describe('an opener', () => {
  const plain = plainOf(150_000)
  const sealed = sealWhole(objectKey, plain, { algorithm: 'AES-256-GCM', partNumber: 0 })
  const [header, body] = [sealed.subarray(0, 48), sealed.subarray(48)]
  const openerOf = (plainTotalBytes: number): StreamOpener =>
    new StreamOpener(objectKey, header, { plainTotalBytes, expectedPartNumber: 0 })

  it('opens segments one by one, in any order', () => {
    const opener = openerOf(plain.length)
    for (const index of [2, 0, 1]) {
      const [opened] = opener.openSegments(index, body.subarray(index * 65_552, (index + 1) * 65_552))
      expect(opened?.equals(plain.subarray(index * 65_536, (index + 1) * 65_536))).toBe(true)
    }
  })

  it('refuses a segment at another place than its own', () => {
    const damaged = withCode('CRYPTO_SEGMENT_DAMAGED')
    expect(() => openerOf(plain.length).openSegments(1, body.subarray(0, 65_552))).toThrow(damaged)
    expect(() => openerOf(plain.length).openSegments(3, body.subarray(0, 65_552))).toThrow(damaged)
  })

  it('refuses a segment that is not whole, and none at all', () => {
    const truncated = withCode('CRYPTO_SEGMENT_TRUNCATED')
    expect(() => openerOf(plain.length).openSegments(0, body.subarray(0, 65_551))).toThrow(truncated)
    expect(() => openerOf(plain.length).openSegments(0, body.subarray(0, 65_553))).toThrow(truncated)
    expect(() => openerOf(plain.length).openSegments(0, NOTHING)).toThrow(truncated)
  })

  it.each([131_072, 149_999, 150_001, 200_000])('refuses the end of the stream if it should have %d bytes', (total) => {
    expect(() => openerOf(total).openSegments(0, body)).toThrow(expect.toSatisfy((error) => isCofferError(error)))
  })

  it('refuses a stream cut after a whole segment, whose size is known from elsewhere', () => {
    const opened = openerOf(plain.length).openSegments(0, body.subarray(0, 131_104))
    expect(opened.map(({ length }) => length)).toEqual([65_536, 65_536])
    expect(() => openerOf(plain.length).openSegments(2, body.subarray(131_104, 131_104))).toThrow(
      withCode('CRYPTO_SEGMENT_TRUNCATED'),
    )
    expect(() => openerOf(131_072).openSegments(0, body.subarray(0, 131_104))).toThrow(
      withCode('CRYPTO_SEGMENT_DAMAGED'),
    )
  })

  it('says which segment is damaged, and gives out nothing of its batch', () => {
    const damaged = Buffer.from(body)
    damaged[65_552 + 5] = (damaged[65_552 + 5] ?? 0) ^ 1
    try {
      openerOf(plain.length).openSegments(0, damaged)
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ code: 'CRYPTO_SEGMENT_DAMAGED', details: { segmentIndex: 1 } })
    }
  })
})
