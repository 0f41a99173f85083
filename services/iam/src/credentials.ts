import { randomBytes, randomInt } from 'node:crypto'
import type { AccessKey } from '@coffer/contracts'
import { iamError } from './errors.ts'

const ID_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const ID_CHARS = 20
const ID_PREFIX = 'AKIA'
/** 30 bytes are 40 characters of base64. */
const SECRET_BYTES = 30

/** A strong random access key of the form that AWS's have. */
export function newAccessKey(): AccessKey {
  let accessKeyId = ID_PREFIX
  while (accessKeyId.length < ID_CHARS) accessKeyId += ID_ALPHABET[randomInt(ID_ALPHABET.length)]
  return { accessKeyId, secretAccessKey: randomBytes(SECRET_BYTES).toString('base64').replaceAll('/', '-') }
}

/** Whether a text from a request can be the id of an access key at all. */
export function isAccessKeyId(text: string): boolean {
  return /^[A-Za-z0-9._-]{3,128}$/.test(text)
}

/** IAM_ACCESS_KEY_INVALID. */
export function assertAccessKey({ accessKeyId, secretAccessKey }: AccessKey): void {
  const valid = isAccessKeyId(accessKeyId) && /^[\x21-\x7e]{8,128}$/.test(secretAccessKey)
  if (!valid) throw iamError('IAM_ACCESS_KEY_INVALID')
}

/** 12 digits, as AWS account ids. */
export function newAccountId(): string {
  return String(randomInt(1, 1_000_000_000_000)).padStart(12, '0')
}

/** 64 hex characters, as S3 canonical user ids. */
export function newCanonicalId(): string {
  return randomBytes(32).toString('hex')
}
