import { z } from 'zod'
import { kmsApiError } from './errors.ts'

/*
 * Fields that several operations take, with the limits of the AWS KMS API Reference. Inputs are strict objects of them: what
 * is not understood is refused, not passed over, as it could be what the client relies on.
 */

const CONTEXT_CHARACTERS_MAX = 8192
const CIPHERTEXT_BYTES_MAX = 6144
const PLAINTEXT_BYTES_MAX = 4096
const BASE64_RATIO = 4 / 3
/** Coffer binds keys of its own to names that begin so. */
const RESERVED_CONTEXT_KEY = /^coffer:/

export const keyId = z.string().min(1).max(2048)
export const aliasName = z
  .string()
  .min(1)
  .max(256)
  .regex(/^alias\/[a-zA-Z0-9/_-]+$/, 'must be alias/ and characters of a-zA-Z0-9/_-')
export const marker = z.string().min(1).max(1024)
export const description = z.string().max(8192)
/** Base64, decoded where it is used. */
export const ciphertextBlob = bytes(CIPHERTEXT_BYTES_MAX)
export const plaintext = bytes(PLAINTEXT_BYTES_MAX)

export const tag = z.strictObject({
  TagKey: z.string().min(1).max(128).refine(isWellFormed, 'must be well-formed text'),
  TagValue: z.string().max(256).refine(isWellFormed, 'must be well-formed text'),
})

/** A map of strings. Not `z.record`, which leaves out a key named `__proto__`: the context would say less than the client did. */
export const encryptionContext = z.custom<Readonly<Record<string, string>>>(
  isEncryptionContext,
  `must be a map of strings, at most ${CONTEXT_CHARACTERS_MAX} characters as JSON, without names that begin with coffer:`,
)

export const grantToken = z.string().min(1).max(8192)
export const grantTokens = z.array(grantToken).max(10)

/** Of the operations that use a key. The grants whose tokens are given were looked at when it was decided who may do it. */
export const ofCryptography = {
  GrantTokens: grantTokens.optional(),
  DryRun: z.boolean().optional(),
}

/** Refuses what only AWS has: the client would take the answer for something that it isn't. */
export function assertOnly(name: string, value: unknown, supported: unknown): void {
  if (value === undefined || value === supported) return
  throw kmsApiError('UnsupportedOperationException', { message: `${name}: this server has only ${String(supported)}` })
}

function bytes(bytesMax: number) {
  return z
    .base64('must be base64')
    .min(1)
    .max(Math.ceil(bytesMax * BASE64_RATIO) + 2)
    .refine((text) => Buffer.byteLength(text, 'base64') <= bytesMax, `must be at most ${bytesMax} bytes`)
}

function isEncryptionContext(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  if (JSON.stringify(value).length > CONTEXT_CHARACTERS_MAX) return false
  return Object.entries(value).every(
    ([key, text]) =>
      typeof text === 'string' &&
      key !== '__proto__' &&
      !RESERVED_CONTEXT_KEY.test(key) &&
      isWellFormed(key) &&
      isWellFormed(text),
  )
}

function isWellFormed(text: string): boolean {
  return text.isWellFormed()
}
