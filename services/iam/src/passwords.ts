import type { LoginProfile, PasswordPolicy } from './entities.ts'
import { refusal } from './errors.ts'
import { hashPassword, isComparable, isPassword, type PasswordHash } from './password-hash.ts'

const REMEMBERED_MAX = 24

/** IAM User Guide, "Setting an account password policy": what holds without one. */
const DEFAULT_LENGTH_MIN = 8
const KINDS_MIN = 3
const SYMBOLS = /[!@#$%^&*()_+\-=[\]{}|']/

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
  const earlier = kept === undefined ? [] : [hashOf(kept), ...kept.earlier]
  for (const one of earlier.slice(0, remembered).filter(isComparable)) {
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

function hashOf({ salt, hash, cost, algorithm }: LoginProfile): PasswordHash {
  return { salt, hash, cost, ...(algorithm && { algorithm }) }
}
