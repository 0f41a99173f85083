import { isCofferError } from '@coffer/errors'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeFields } from './fields.ts'
import { MetadataKey } from './metadata-key.ts'
import { Secret } from './secret.ts'

const withCode = (code: string) => expect.toSatisfy((error) => isCofferError(error, code))
const damaged = withCode('CRYPTO_RECORD_DAMAGED')
const metadataKey = new MetadataKey(Secret.random(32))
const aad = encodeFields('version', 'bucket', 'key')
const bytes = fc.uint8Array({ maxLength: 400 })
const etag = fc.uint8Array({ minLength: 16, maxLength: 16 })

function flipped(sealed: Uint8Array, offset: number, bit = 0): Buffer {
  const changed = Buffer.from(sealed)
  changed[offset] = (changed[offset] ?? 0) ^ (1 << bit)
  return changed
}

describe('a record', () => {
  it('opens to what was sealed, 49 bytes shorter', () => {
    fc.assert(
      fc.property(bytes, bytes, (plain, additionalData) => {
        const sealed = metadataKey.sealRecord(plain, additionalData)
        expect(sealed.length).toBe(plain.length + 49)
        expect(metadataKey.openRecord(sealed, additionalData).equals(plain)).toBe(true)
      }),
    )
  })

  it('has a salt and so a key of its own each time: its nonce is always the same', () => {
    const records = Array.from({ length: 100 }, () => metadataKey.sealRecord(Buffer.alloc(32), aad))
    for (const [from, to] of [
      [1, 33],
      [33, 65],
      [65, 81],
    ]) {
      expect(new Set(records.map((sealed) => sealed.subarray(from, to).toString('hex'))).size).toBe(100)
    }
  })

  it('does not open with any bit changed, or at any other length', () => {
    const sealed = metadataKey.sealRecord(Buffer.from('{"a":1}'), aad)
    for (let offset = 0; offset < sealed.length; offset++) {
      for (let bit = 0; bit < 8; bit++) {
        expect(() => metadataKey.openRecord(flipped(sealed, offset, bit), aad)).toThrow(damaged)
      }
      expect(() => metadataKey.openRecord(sealed.subarray(0, offset), aad)).toThrow(damaged)
    }
    expect(() => metadataKey.openRecord(Buffer.concat([sealed, Buffer.alloc(1)]), aad)).toThrow(damaged)
  })

  it('does not open with other additional data, or under the key of another bucket', () => {
    const sealed = metadataKey.sealRecord(Buffer.from('x'), aad)
    expect(() => metadataKey.openRecord(sealed, encodeFields('version', 'bucket', 'other'))).toThrow(damaged)
    expect(() => metadataKey.openRecord(sealed, new Uint8Array(0))).toThrow(damaged)
    expect(() => new MetadataKey(Secret.random(32)).openRecord(sealed, aad)).toThrow(damaged)
  })
})

describe('summaries', () => {
  it('of a page open to the ETags that were sealed, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(etag, bytes), { maxLength: 40 }), (entries) => {
        const page = entries.map(([value, additionalData]) => {
          const sealed = metadataKey.sealSummary(value, additionalData)
          expect(sealed.length).toBe(48)
          return { sealed, additionalData }
        })
        expect(metadataKey.openSummaries(page).map((opened) => opened?.toString('hex'))).toEqual(
          entries.map(([value]) => Buffer.from(value).toString('hex')),
        )
      }),
      { numRuns: 50 },
    )
  })

  it('that are damaged fail alone', () => {
    const etags = Array.from({ length: 60 }, (_, index) => Buffer.alloc(16, index))
    const page = etags.map((value) => ({ sealed: metadataKey.sealSummary(value, aad), additionalData: aad }))
    const spoiled = page.map((entry, index) => {
      if (index % 3 === 1) return { ...entry, sealed: flipped(entry.sealed, index % 48) }
      return index % 3 === 2 ? { ...entry, additionalData: encodeFields('moved') } : entry
    })
    expect(metadataKey.openSummaries(spoiled)).toEqual(
      etags.map((value, index) => (index % 3 === 0 ? value : undefined)),
    )
  })

  it('do not open with any bit changed, or at any other length', () => {
    const sealed = metadataKey.sealSummary(Buffer.alloc(16, 5), aad)
    const changed = Array.from({ length: 48 * 8 }, (_, place) => flipped(sealed, place >> 3, place & 7))
    const cut = Array.from({ length: 48 }, (_, length) => sealed.subarray(0, length))
    const page = [...changed, ...cut, Buffer.concat([sealed, Buffer.alloc(1)])]
    const opened = metadataKey.openSummaries(page.map((bad) => ({ sealed: bad, additionalData: aad })))
    expect(opened).toEqual(page.map(() => undefined))
  })

  it('of the same ETag are other bytes each time', () => {
    const seal = (): Buffer => metadataKey.sealSummary(Buffer.alloc(16), aad)
    expect(seal().subarray(16, 32).equals(seal().subarray(16, 32))).toBe(false)
  })

  it('do not open under the key of another bucket', () => {
    const entry = { sealed: metadataKey.sealSummary(Buffer.alloc(16), aad), additionalData: aad }
    expect(new MetadataKey(Secret.random(32)).openSummaries([entry])).toEqual([undefined])
  })

  it('are of ETags of 16 bytes', () => {
    expect(() => metadataKey.sealSummary(Buffer.alloc(15), aad)).toThrow('16 bytes')
    expect(() => metadataKey.sealSummary(Buffer.alloc(17), aad)).toThrow('16 bytes')
  })
})

describe('a metadata key', () => {
  it('is 32 bytes, and works after the secret that it was made from is wiped', () => {
    expect(() => new MetadataKey(Secret.random(31))).toThrow(withCode('CRYPTO_KEY_LENGTH'))
    const secret = Secret.random(32)
    const made = new MetadataKey(secret)
    secret.wipe()
    expect(made.openRecord(made.sealRecord(Buffer.from('x'), aad), aad).toString()).toBe('x')
  })

  it('once wiped refuses to seal and to open, instead of using zeroes', () => {
    const wiped = new MetadataKey(Secret.random(32))
    const record = wiped.sealRecord(Buffer.from('x'), aad)
    const summary = wiped.sealSummary(Buffer.alloc(16), aad)
    wiped.wipe()
    const refused = withCode('CRYPTO_SECRET_WIPED')
    expect(() => wiped.sealRecord(Buffer.from('x'), aad)).toThrow(refused)
    expect(() => wiped.openRecord(record, aad)).toThrow(refused)
    expect(() => wiped.sealSummary(Buffer.alloc(16), aad)).toThrow(refused)
    expect(() => wiped.openSummaries([{ sealed: summary, additionalData: aad }])).toThrow(refused)
  })
})
