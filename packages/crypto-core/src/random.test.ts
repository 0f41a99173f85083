import { expect, it } from 'vitest'
import { fillPublicRandom } from './random.ts'

it('hands each byte out once, across fillings of its pool', () => {
  const seen = new Set<string>()
  for (let draw = 0; draw < 1000; draw++) {
    const salt = Buffer.alloc(32)
    fillPublicRandom(salt, 0, 32)
    seen.add(salt.toString('hex'))
  }
  expect(seen.size).toBe(1000)
})

it('fills all that it was asked to, whatever sizes are drawn from one pool', () => {
  for (let draw = 0; draw < 300; draw++) {
    const nonce = Buffer.alloc([10, 12, 16, 24, 32][draw % 5] ?? 0)
    fillPublicRandom(nonce, 0, nonce.length)
    expect(nonce.subarray(-8).equals(Buffer.alloc(8))).toBe(false)
  }
})

it('fills no more than it was asked to', () => {
  const target = Buffer.alloc(64, 7)
  fillPublicRandom(target, 16, 32)
  expect(target.subarray(0, 16).equals(Buffer.alloc(16, 7))).toBe(true)
  expect(target.subarray(48).equals(Buffer.alloc(16, 7))).toBe(true)
  expect(target.subarray(16, 48).equals(Buffer.alloc(32, 7))).toBe(false)
})

it('refuses what its pool cannot hold', () => {
  expect(() => fillPublicRandom(Buffer.alloc(2048), 0, 2048)).toThrow('longer than the pool')
})
