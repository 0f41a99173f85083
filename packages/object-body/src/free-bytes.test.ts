import { createCipheriv, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { freeBytes } from './free-bytes.ts'

describe('giving back memory', () => {
  it('empties bytes that have a buffer of their own, as what node:crypto returns', () => {
    const sealed = createCipheriv('aes-256-gcm', randomBytes(32), randomBytes(12)).update(Buffer.alloc(65_536))
    freeBytes(sealed)
    expect(sealed.length).toBe(0)
    expect(() => freeBytes(sealed)).not.toThrow()
  })

  it('leaves alone what is a part of a buffer that others may share', () => {
    const whole = new Uint8Array(65_536).fill(7)
    freeBytes(whole.subarray(1))
    freeBytes(whole.subarray(0, 8192))
    expect(whole.every((byte) => byte === 7)).toBe(true)
    const pooled = Buffer.from('from the pool')
    freeBytes(pooled)
    expect(pooled.toString()).toBe('from the pool')
  })
})
