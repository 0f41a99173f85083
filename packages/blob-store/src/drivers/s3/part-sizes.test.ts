import { expect, it } from 'vitest'
import { partSizeBytes } from './part-sizes.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB
const TIB = 1024 * GIB
/** Amazon S3 User Guide, "Amazon S3 multipart upload limits". */
const PART_BYTES_MIN = 5 * MIB
const PART_BYTES_MAX = 5 * GIB

const sizes = Array.from({ length: 10_000 }, (_, index) => partSizeBytes(index + 1) ?? 0)

it('holds the largest object of S3 in as many parts as an upload may have, each of a size that it may have', () => {
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(5 * TIB)
  expect(Math.min(...sizes)).toBeGreaterThan(PART_BYTES_MIN)
  expect(Math.max(...sizes)).toBeLessThan(PART_BYTES_MAX)
  expect(partSizeBytes(10_001)).toBeUndefined()
})

it('has parts of equal size for whatever a client may put at once', () => {
  const equal = sizes.filter((size) => size === sizes[0])
  expect(equal.length * (sizes[0] ?? 0)).toBeGreaterThan(5 * GIB)
})
