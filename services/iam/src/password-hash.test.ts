import { getFips, scryptSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { hashPassword, isComparable, isPassword } from './password-hash.ts'

const PASSWORD = 'Correct-Horse-Battery-1'

/** Run under a FIPS provider too, by test/fips. */
describe('the hash of a password', () => {
  it('is of that password only, salted, and by what this process may use', async () => {
    const [one, other] = [await hashPassword(PASSWORD), await hashPassword(PASSWORD)]
    expect(one.hash).not.toBe(other.hash)
    expect(one.algorithm).toBe(getFips() === 1 ? 'pbkdf2-sha512' : undefined)
    expect(isComparable(one)).toBe(true)
    expect(await isPassword(PASSWORD, one)).toBe(true)
    expect(await isPassword(`${PASSWORD} `, one)).toBe(false)
    expect(await isPassword(PASSWORD, { ...one, salt: other.salt })).toBe(false)
  })

  it('does not depend on how a keyboard makes an umlaut', async () => {
    expect(await isPassword('Pa\u0308sse-1234', await hashPassword('P\u00e4sse-1234'))).toBe(true)
  })

  /** RFC 8018, PBKDF2 with HMAC-SHA-512; the hash is of Python's hashlib. */
  it('of PBKDF2 is checked in every mode', async () => {
    const hash = '61e27e873481e241edff821f0bc1977e05fab1093898274a5ada46cc52378fb8'
    const salt = Buffer.from('salt-of-16-bytes').toString('base64')
    const kept = {
      salt,
      hash: Buffer.from(hash, 'hex').toString('base64'),
      cost: 4_096,
      algorithm: 'pbkdf2-sha512',
    } as const
    expect(isComparable(kept)).toBe(true)
    expect(await isPassword('Password-of-1234', kept)).toBe(true)
    expect(await isPassword('Password-of-1235', kept)).toBe(false)
  })

  it.runIf(getFips() === 0)('that was kept before there were two algorithms is of scrypt', async () => {
    const salt = Buffer.from('0123456789abcdef')
    const hash = scryptSync(PASSWORD, salt, 32, { N: 1024, r: 8, p: 3 }).toString('base64')
    expect(await isPassword(PASSWORD, { salt: salt.toString('base64'), hash, cost: 1024 })).toBe(true)
  })
})
