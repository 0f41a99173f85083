import { expect, it } from 'vitest'
import { AlignedBuffers, BLOCK_BYTES, BUFFER_BYTES } from './aligned-buffers.ts'

it('gives out at most as many buffers as it may, each its own aligned memory', () => {
  const buffers = new AlignedBuffers(3)
  const taken = [buffers.tryAcquire(), buffers.tryAcquire(), buffers.tryAcquire()].filter((each) => each !== undefined)
  expect(buffers.tryAcquire()).toBeUndefined()
  expect(taken.map((each) => each.length)).toEqual([BUFFER_BYTES, BUFFER_BYTES, BUFFER_BYTES])
  expect(taken.every((each) => each.byteOffset % BLOCK_BYTES === 0)).toBe(true)
  for (const [index, each] of taken.entries()) each.fill(index + 1)
  expect(taken.map((each) => each.every((byte) => byte === each[0]))).toEqual([true, true, true])
  expect(new Set(taken.map((each) => each[0])).size).toBe(3)
})

it('gives a buffer that was released to the next who asks', () => {
  const buffers = new AlignedBuffers(1)
  const buffer = buffers.tryAcquire()
  expect(buffer).toBeDefined()
  if (buffer !== undefined) buffers.release(buffer)
  expect(buffers.tryAcquire()).toBe(buffer)
})

it('gives none where the memory is not to be had', () => {
  expect(new AlignedBuffers(1_000_000).tryAcquire()).toBeUndefined()
})
