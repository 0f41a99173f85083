import { expect, it } from 'vitest'
import { newVersionId } from './version-id.ts'

it('is never the same twice, however many are made in one millisecond', () => {
  expect(new Set(Array.from({ length: 1000 }, () => newVersionId(5))).size).toBe(1000)
})

it('sorts after the one before, also where the clock of the machine is behind that of its writer', () => {
  const before = newVersionId(2_000_000_000_000)
  for (const nowMs of [2_000_000_000_001, 2_000_000_000_000, 1_000_000_000_000, 0]) {
    const id = newVersionId(nowMs, before)
    expect(id).toMatch(/^[0-9a-f]{32}$/)
    expect(id > before).toBe(true)
  }
})
