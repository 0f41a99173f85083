import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeTtlv, encodeTtlv, type TtlvItem, TtlvMalformed, ttlvValueBytes } from './ttlv.ts'

const TAG = 0x42_00_20
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const fromHex = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

/** The examples of the KMIP Specification, 1.4, section 9.1.2. */
const EXAMPLES: readonly [string, TtlvItem][] = [
  ['420020 02 00000004 0000000800000000', { tagCode: TAG, type: 'integer', value: 8 }],
  ['420020 03 00000008 01b69b4ba5749200', { tagCode: TAG, type: 'longInteger', value: 123_456_789_000_000_000n }],
  [
    '420020 04 00000010 0000000003fd35eb6bc2df4618080000',
    { tagCode: TAG, type: 'bigInteger', value: fromHex('0000000003fd35eb6bc2df4618080000') },
  ],
  ['420020 05 00000004 000000ff00000000', { tagCode: TAG, type: 'enumeration', value: 255 }],
  ['420020 06 00000008 0000000000000001', { tagCode: TAG, type: 'boolean', value: true }],
  ['420020 07 0000000b 48656c6c6f20576f726c640000000000', { tagCode: TAG, type: 'text', value: 'Hello World' }],
  ['420020 08 00000003 0102030000000000', { tagCode: TAG, type: 'bytes', value: Uint8Array.of(1, 2, 3) }],
  ['420020 09 00000008 0000000047da67f8', { tagCode: TAG, type: 'dateTime', value: 1_205_495_800n }],
  ['420020 0a 00000004 000d2f0000000000', { tagCode: TAG, type: 'interval', value: 864_000 }],
  [
    '420020 01 00000020 420004 05 00000004 000000fe00000000 420005 02 00000004 000000ff00000000',
    {
      tagCode: TAG,
      type: 'structure',
      value: [
        { tagCode: 0x42_00_04, type: 'enumeration', value: 254 },
        { tagCode: 0x42_00_05, type: 'integer', value: 255 },
      ],
    },
  ],
]

const tagCode = fc.integer({ min: 0, max: 0xff_ff_ff })
const { item } = fc.letrec<{ item: TtlvItem; items: TtlvItem[] }>((tie) => ({
  items: fc.array(tie('item'), { maxLength: 4 }),
  item: fc.oneof(
    { depthSize: 'small', maxDepth: 8 },
    fc.record({
      tagCode,
      type: fc.constant('integer' as const),
      value: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    }),
    fc.record({
      tagCode,
      type: fc.constantFrom('enumeration' as const, 'interval' as const),
      value: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    }),
    fc.record({
      tagCode,
      type: fc.constantFrom('longInteger' as const, 'dateTime' as const, 'dateTimeExtended' as const),
      value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    }),
    fc.record({ tagCode, type: fc.constant('boolean' as const), value: fc.boolean() }),
    fc.record({ tagCode, type: fc.constant('text' as const), value: fc.string({ unit: 'binary' }) }),
    fc.record({ tagCode, type: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 40 }) }),
    fc.record({
      tagCode,
      type: fc.constant('bigInteger' as const),
      value: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    }),
    fc.record({ tagCode, type: fc.constant('structure' as const), value: tie('items') }),
  ),
}))

describe('TTLV', () => {
  it.each(EXAMPLES)('%s is as the specification has it', (hex, value) => {
    expect(hexOf(encodeTtlv(value))).toBe(hexOf(fromHex(hex)))
    expect(hexOf(encodeTtlv(decodeTtlv(fromHex(hex))))).toBe(hexOf(fromHex(hex)))
  })

  it('gives back every item that it wrote', () => {
    fc.assert(
      fc.property(item, (written) => {
        expect(plain(decodeTtlv(encodeTtlv(written)))).toEqual(plain(written))
      }),
    )
  })

  it('has one spelling of an item: what a changed byte still lets through is another item', () => {
    fc.assert(
      fc.property(item, fc.nat(), fc.integer({ min: 1, max: 255 }), (written, at, change) => {
        const bytes = encodeTtlv(written)
        const index = at % bytes.length
        bytes[index] = (bytes[index] ?? 0) ^ change
        const read = readOrMalformed(bytes)
        if (read !== undefined) expect(hexOf(encodeTtlv(read))).toBe(hexOf(bytes))
      }),
    )
  })

  it('refuses every part of an item, and an item with more after it', () => {
    fc.assert(
      fc.property(item, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 9 }), (written, at, more) => {
        const bytes = encodeTtlv(written)
        expect(() => decodeTtlv(bytes.subarray(0, at % bytes.length))).toThrow(TtlvMalformed)
        expect(() => decodeTtlv(Buffer.concat([bytes, more]))).toThrow(TtlvMalformed)
      }),
    )
  })

  it('answers rubbish with one kind of error', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (rubbish) => void readOrMalformed(rubbish)))
  })

  it.each([
    ['an unknown type', '420020 0c 00000000'],
    ['type 0', '420020 00 00000000'],
    ['an integer of 8 bytes', '420020 02 00000008 0000000000000008'],
    ['a long integer of 4 bytes', '420020 03 00000004 0000000800000000'],
    ['a boolean that is 2', '420020 06 00000008 0000000000000002'],
    ['a big integer of no bytes', '420020 04 00000000'],
    ['a big integer of 4 bytes', '420020 04 00000004 0000000100000000'],
    ['padding that is not zero', '420020 08 00000003 0102030000000001'],
    ['text that is not UTF-8', '420020 07 00000002 c328000000000000'],
    ['a structure whose length is not a multiple of 8', '420020 01 00000004 0000000000000000'],
    ['a length of 4 GiB', '420020 08 ffffffff 0000000000000000'],
    ['a part that is longer than the whole', '420020 01 00000008 420020 08 00000010'],
  ])('refuses %s', (_, hex) => {
    expect(() => decodeTtlv(fromHex(hex))).toThrow(TtlvMalformed)
  })

  it('refuses what is deeper or of more parts than a message is', () => {
    let deep: TtlvItem = { tagCode: TAG, type: 'integer', value: 1 }
    for (let depth = 2; depth <= 16; depth++) deep = { tagCode: TAG, type: 'structure', value: [deep] }
    expect(() => decodeTtlv(encodeTtlv(deep))).not.toThrow()
    const deeper: TtlvItem = { tagCode: TAG, type: 'structure', value: [deep] }
    expect(() => decodeTtlv(encodeTtlv(deeper))).toThrow(TtlvMalformed)
    const part: TtlvItem = { tagCode: TAG, type: 'structure', value: [] }
    const wide: TtlvItem = { tagCode: TAG, type: 'structure', value: Array(10_000).fill(part) }
    expect(() => decodeTtlv(encodeTtlv(wide))).toThrow(TtlvMalformed)
  })

  it('says how many bytes follow a header, up to a limit', () => {
    expect(ttlvValueBytes(fromHex('42007b 01 00000009'), 16)).toBe(16)
    expect(() => ttlvValueBytes(fromHex('42007b 01 00000011'), 16)).toThrow(TtlvMalformed)
  })
})

function readOrMalformed(bytes: Uint8Array): TtlvItem | undefined {
  try {
    return decodeTtlv(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(TtlvMalformed)
    return undefined
  }
}

/** Bytes as hex, so that a Buffer equals a Uint8Array. */
function plain({ tagCode, type, value }: TtlvItem): unknown {
  if (typeof value !== 'object') return { tagCode, type, value }
  return { tagCode, type, value: value instanceof Uint8Array ? hexOf(value) : value.map(plain) }
}
