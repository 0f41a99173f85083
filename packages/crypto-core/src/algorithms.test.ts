import { getCipherInfo, getFips } from 'node:crypto'
import { isCofferError } from '@coffer/errors'
import { expect, it } from 'vitest'
import {
  algorithmNamed,
  algorithmWithId,
  chooseDataAlgorithm,
  DATA_ALGORITHMS,
  type DataAlgorithm,
} from './algorithms.ts'

/** What this process has: under a FIPS provider, what that approves of. */
const usable = DATA_ALGORITHMS.filter(({ fipsApproved }) => fipsApproved || getFips() === 0)

it.each(usable)('$name has the sizes that OpenSSL says', (row) => {
  const info = getCipherInfo(row.nodeName)
  expect(info).toMatchObject({ keyLength: row.keyBytes, ivLength: row.nonceBytes })
})

it('finds each algorithm by its name and its id, which are its own', () => {
  for (const row of usable) expect([algorithmNamed(row.name), algorithmWithId(row.id)]).toEqual([row, row])
  expect(new Set(DATA_ALGORITHMS.map(({ id }) => id)).size).toBe(DATA_ALGORITHMS.length)
})

it('refuses what is no algorithm', () => {
  const unknown = (error: unknown): boolean => isCofferError(error, 'CRYPTO_HEADER_UNKNOWN')
  expect(() => algorithmNamed('AES-128-CBC' as DataAlgorithm)).toThrow(expect.toSatisfy(unknown))
  expect(() => algorithmWithId(0)).toThrow(expect.toSatisfy(unknown))
})

it("takes the administrator's choice, or one of the table", () => {
  for (const name of ['AES-256-GCM', 'CHACHA20-POLY1305'] as const) {
    if (usable.some((row) => row.name === name)) expect(chooseDataAlgorithm(name)).toBe(name)
    else expect(() => chooseDataAlgorithm(name)).toThrow(expect.objectContaining({ code: 'CRYPTO_NOT_APPROVED' }))
  }
  expect(DATA_ALGORITHMS.map(({ name }) => name)).toContain(chooseDataAlgorithm('auto'))
})
