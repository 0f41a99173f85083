import { beforeEach, expect, it, vi } from 'vitest'
import { algorithmWithId, chooseDataAlgorithm } from './algorithms.ts'
import { parseStreamHeader } from './stream-format.ts'

/** A process in FIPS mode, also where there is no FIPS provider to test with. */
vi.mock('node:crypto', async (importOriginal) => ({
  ...(await importOriginal<typeof import('node:crypto')>()),
  getFips: () => 1,
}))

const notApproved = expect.objectContaining({ code: 'CRYPTO_NOT_APPROVED' })
const header = Buffer.alloc(48)
beforeEach(() => {
  header.writeUInt32BE(0x434f4652)
  header.writeUInt8(1, 4)
  header.writeUInt8(16, 6)
})

it('in FIPS mode ChaCha20-Poly1305 is not chosen, and what was stored with it is not opened', () => {
  expect(chooseDataAlgorithm('auto')).toBe('AES-256-GCM')
  expect(() => chooseDataAlgorithm('CHACHA20-POLY1305')).toThrow(notApproved)
  expect(() => algorithmWithId(2)).toThrow(notApproved)
  header.writeUInt8(2, 5)
  expect(() => parseStreamHeader(header)).toThrow(notApproved)
})

it.each([1, 3])('in FIPS mode AES-256-GCM is opened (algorithm %d)', (id) => {
  header.writeUInt8(id, 5)
  expect(parseStreamHeader(header).algorithm.nodeName).toBe('aes-256-gcm')
})
