import { getFips, pbkdf2, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const SALT_BYTES = 16
const HASH_BYTES = 32
const BLOCK_SIZE = 8
const PARALLEL = 3
const MEMORY_BYTES_MAX = 256 * 1024 * 1024

const scryptOf = promisify<string, Buffer, number, object, Buffer>(scrypt)
const pbkdf2Of = promisify(pbkdf2)

/** What is kept of a password. Base64. */
export interface PasswordHash {
  readonly salt: string
  readonly hash: string
  readonly cost: number
  /** Absent: scrypt. */
  readonly algorithm?: 'pbkdf2-sha512'
}

interface Algorithm {
  readonly cost: number
  readonly derive: (password: string, salt: Buffer, cost: number) => Promise<Buffer>
}

/** Costs as OWASP, "Password Storage Cheat Sheet": about 80 ms for each guess. */
const ALGORITHMS: Readonly<Record<'scrypt' | 'pbkdf2-sha512', Algorithm>> = {
  /** RFC 7914; 32 MiB for each guess. No FIPS provider has it. */
  scrypt: {
    cost: 2 ** 15,
    derive: (password, salt, cost) =>
      scryptOf(password, salt, HASH_BYTES, { N: cost, r: BLOCK_SIZE, p: PARALLEL, maxmem: MEMORY_BYTES_MAX }),
  },
  /** RFC 8018; NIST SP 800-132. */
  'pbkdf2-sha512': {
    cost: 210_000,
    derive: (password, salt, cost) => pbkdf2Of(password, salt, cost, HASH_BYTES, 'sha512'),
  },
}

export async function hashPassword(password: string): Promise<PasswordHash> {
  const algorithm = getFips() === 1 ? 'pbkdf2-sha512' : 'scrypt'
  const { cost, derive } = ALGORITHMS[algorithm]
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(password.normalize('NFC'), salt, cost)
  const made = { salt: salt.toString('base64'), hash: hash.toString('base64'), cost }
  return algorithm === 'scrypt' ? made : { ...made, algorithm }
}

/** Whether this process can say of a password that it is the one: in FIPS mode not where scrypt made the hash. */
export function isComparable({ algorithm }: PasswordHash): boolean {
  return algorithm !== undefined || getFips() !== 1
}

/** In constant time once the hash is made. */
export async function isPassword(password: string, kept: PasswordHash): Promise<boolean> {
  const { derive } = ALGORITHMS[kept.algorithm ?? 'scrypt']
  const made = await derive(password.normalize('NFC'), Buffer.from(kept.salt, 'base64'), kept.cost)
  return timingSafeEqual(made, Buffer.from(kept.hash, 'base64'))
}
