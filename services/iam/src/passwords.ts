import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { LoginProfile, PasswordPolicy } from './entities.ts'
import { refusal } from './errors.ts'

/** RFC 7914; cost as OWASP, "Password Storage Cheat Sheet": 32 MiB and about 80 ms for each guess. */
const COST = 2 ** 15
const BLOCK_SIZE = 8
const PARALLEL = 3
const SALT_BYTES = 16
const HASH_BYTES = 32
const MEMORY_BYTES_MAX = 256 * 1024 * 1024
const REMEMBERED_MAX = 24

/** IAM User Guide, "Setting an account password policy": what holds without one. */
const DEFAULT_LENGTH_MIN = 8
const KINDS_MIN = 3
const SYMBOLS = /[!@#$%^&*()_+\-=[\]{}|']/

type Hash = Pick<LoginProfile, 'salt' | 'hash' | 'cost'>

const scryptOf = promisify<string, Buffer, number, object, Buffer>(scrypt)

export async function hashPassword(password: string): Promise<Hash> {
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(password, salt, COST)
  return { salt: salt.toString('base64'), hash: hash.toString('base64'), cost: COST }
}

/** In constant time once the hash is made. */
export async function isPassword(password: string, { salt, hash, cost }: Hash): Promise<boolean> {
  const made = await derive(password, Buffer.from(salt, 'base64'), cost)
  return timingSafeEqual(made, Buffer.from(hash, 'base64'))
}

/** A new password in the place of a user's login profile, if it has one. PasswordPolicyViolation. */
export async function loginWith(
  password: string,
  {
    policy,
    kept,
    mustReset,
  }: { policy: PasswordPolicy | undefined; kept: LoginProfile | undefined; mustReset: boolean },
): Promise<LoginProfile> {
  assertComplies(password, policy)
  const remembered = Math.min(policy?.reusePrevention ?? 0, REMEMBERED_MAX)
  const earlier = kept === undefined ? [] : [{ salt: kept.salt, hash: kept.hash, cost: kept.cost }, ...kept.earlier]
  for (const one of earlier.slice(0, remembered)) {
    if (await isPassword(password, one)) throw violation('The password was used before.')
  }
  const now = Date.now()
  return {
    createdAt: kept?.createdAt ?? now,
    changedAt: now,
    mustReset,
    ...(await hashPassword(password)),
    earlier: earlier.slice(0, REMEMBERED_MAX - 1),
  }
}

function assertComplies(password: string, policy: PasswordPolicy | undefined): void {
  const has = [/[A-Z]/, /[a-z]/, /[0-9]/, SYMBOLS].map((kind) => kind.test(password))
  const [upper, lower, digit, symbol] = has
  if (policy === undefined) {
    const complies = password.length >= DEFAULT_LENGTH_MIN && has.filter(Boolean).length >= KINDS_MIN
    if (!complies)
      throw violation(
        'Password should have at least 8 characters, and three of: upper case, lower case, digit, symbol.',
      )
    return
  }
  if (password.length < policy.minimumLength) {
    throw violation(`Password should have a minimum length of ${policy.minimumLength}`)
  }
  if (policy.requireUppercase && !upper) throw violation('Password should have at least one uppercase letter')
  if (policy.requireLowercase && !lower) throw violation('Password should have at least one lowercase letter')
  if (policy.requireNumbers && !digit) throw violation('Password should have at least one number')
  if (policy.requireSymbols && !symbol) throw violation('Password should have at least one symbol')
}

function violation(message: string) {
  return refusal('IAM_PASSWORD_POLICY', message)
}

function derive(password: string, salt: Buffer, cost: number): Promise<Buffer> {
  const options = { N: cost, r: BLOCK_SIZE, p: PARALLEL, maxmem: MEMORY_BYTES_MAX }
  return scryptOf(password.normalize('NFC'), salt, HASH_BYTES, options)
}
