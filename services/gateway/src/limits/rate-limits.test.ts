import type { IncomingMessage } from 'node:http'
import { s3Error } from '@coffer/s3-protocol'
import { describe, expect, it } from 'vitest'
import { RateLimits } from './rate-limits.ts'

const OFF = { rateLimitPerAddress: 0, rateLimitPerAccessKey: 0, failedSignaturesPerMinute: 0 }
const SLOW_DOWN = expect.objectContaining({ code: 'SlowDown' })
const from = (remoteAddress: string) => ({ socket: { remoteAddress } }) as IncomingMessage

describe('rate limits', () => {
  it('are for each address: the same over IPv4 and mapped IPv6, and one for a whole /64', () => {
    const limits = new RateLimits({ ...OFF, rateLimitPerAddress: 1 })
    limits.admitAddress(from('10.0.0.1'))
    limits.admitAddress(from('::ffff:10.0.0.1'))
    expect(() => limits.admitAddress(from('10.0.0.1'))).toThrow(SLOW_DOWN)
    limits.admitAddress(from('10.0.0.2'))
    limits.admitAddress(from('2001:db8:0:1::1'))
    limits.admitAddress(from('2001:db8:0:1:ffff::2'))
    expect(() => limits.admitAddress(from('2001:db8:0:1:2:3:4:5'))).toThrow(SLOW_DOWN)
    limits.admitAddress(from('2001:db8:0:2::1'))
  })

  it('hold nobody up where they are off', async () => {
    const limits = new RateLimits(OFF)
    for (let count = 0; count < 1_000; count++) {
      limits.admitAddress(from('10.0.0.1'))
      limits.admitAccessKey('AK')
    }
    const failure = s3Error('SignatureDoesNotMatch')
    for (let count = 0; count < 100; count++) {
      await expect(limits.watched(from('10.0.0.1'), Promise.reject(failure))).rejects.toBe(failure)
    }
  })

  it('count guesses, and no other refusals', async () => {
    const limits = new RateLimits({ ...OFF, failedSignaturesPerMinute: 1 })
    const attempt = (code: 'AccessDenied' | 'InvalidAccessKeyId' | 'SignatureDoesNotMatch', address = '10.0.0.1') =>
      limits.watched(from(address), Promise.reject(s3Error(code))).catch((error: { code: string }) => error.code)
    expect(await attempt('AccessDenied')).toBe('AccessDenied')
    expect(await attempt('InvalidAccessKeyId')).toBe('InvalidAccessKeyId')
    const startedAt = performance.now()
    expect(await attempt('SignatureDoesNotMatch')).toBe('SlowDown')
    expect(performance.now() - startedAt).toBeGreaterThan(900)
    expect(await attempt('AccessDenied')).toBe('AccessDenied')
    expect(await attempt('SignatureDoesNotMatch', '10.0.0.2')).toBe('SignatureDoesNotMatch')
  })

  it('hear no more passwords from where too many were wrong, right ones neither', async () => {
    const limits = new RateLimits({ ...OFF, failedSignaturesPerMinute: 2 })
    const wrong = Object.assign(new Error(), { code: 'IAM_LOGIN_REFUSED' })
    for (let count = 0; count < 2; count++) {
      await limits.admitPassword(from('10.0.0.1'))
      await expect(limits.watched(from('10.0.0.1'), Promise.reject(wrong))).rejects.toBe(wrong)
    }
    await expect(limits.admitPassword(from('10.0.0.1'))).rejects.toEqual(SLOW_DOWN)
    await limits.admitPassword(from('10.0.0.2'))
  })
})
