import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBlob, encodeBlob } from './ciphertext-blob.ts'

const blobs = fc.record({
  wrapped: fc.record({
    connector: fc.stringMatching(/^[a-z0-9-]{1,32}$/),
    keyId: fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/),
    keyVersion: fc.integer({ min: 1, max: 0xffff_ffff }),
    ciphertext: fc.uint8Array({ maxLength: 300 }),
  }),
  sealed: fc.uint8Array({ minLength: 1, maxLength: 300 }),
})
const plain = ({ wrapped, sealed }: ReturnType<typeof decodeBlob>) => ({
  wrapped: { ...wrapped, ciphertext: [...wrapped.ciphertext] },
  sealed: [...sealed],
})

describe('a ciphertext blob', () => {
  it('decodes to what it was made of', () => {
    fc.assert(
      fc.property(blobs, (blob) => {
        expect(plain(decodeBlob(encodeBlob(blob)))).toEqual(plain(blob))
      }),
    )
  })

  it('is refused, and nothing else happens, where it is cut or made up', () => {
    const refused = (bytes: Buffer) => {
      try {
        decodeBlob(bytes)
      } catch (error) {
        expect(error).toMatchObject({ code: 'InvalidCiphertextException' })
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => refused(Buffer.from(bytes))))
    fc.assert(
      fc.property(blobs, fc.nat(), (blob, cut) => {
        const bytes = encodeBlob(blob)
        const headEnd = bytes.length - blob.sealed.length
        expect(() => decodeBlob(bytes.subarray(0, cut % (headEnd + 1)))).toThrow(
          expect.objectContaining({ code: 'InvalidCiphertextException' }),
        )
      }),
    )
  })

  it.each(['../k', 'a/b', '', 'k\0', 'ü'])('names no key %j, which could mean another place', (keyId) => {
    const wrapped = { connector: 'local', keyId, keyVersion: 1, ciphertext: Buffer.from('w') }
    expect(() => decodeBlob(encodeBlob({ wrapped, sealed: Buffer.from('s') }))).toThrow(
      expect.objectContaining({ code: 'InvalidCiphertextException' }),
    )
  })
})
