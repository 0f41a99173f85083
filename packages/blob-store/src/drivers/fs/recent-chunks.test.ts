import { expect, it } from 'vitest'
import { RecentChunks } from './recent-chunks.ts'

const MIB = 1024 * 1024

it('knows what was read before, chunk by chunk and blob by blob', () => {
  const recent = new RecentChunks(10)
  expect(recent.wasRead('a', 0)).toBe(false)
  expect(recent.wasRead('a', 100)).toBe(true)
  expect(recent.wasRead('a', MIB)).toBe(false)
  expect(recent.wasRead('b', 0)).toBe(false)
  expect(recent.wasRead('a', 0)).toBe(true)
})

it('forgets what was read longest ago, and nothing else', () => {
  const recent = new RecentChunks(3)
  for (const blobId of ['a', 'b', 'c', 'a', 'd']) recent.wasRead(blobId, 0)
  expect(recent.wasRead('a', 0)).toBe(true)
  expect(recent.wasRead('d', 0)).toBe(true)
  expect(recent.wasRead('c', 0)).toBe(true)
  expect(recent.wasRead('b', 0)).toBe(false)
})
