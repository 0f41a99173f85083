import type { GrantConstraints, GrantOperation } from '@coffer/contracts'
import { z } from 'zod'
import { encryptionContext } from './fields.ts'

const PAIRS_MAX = 8
const VALUE_CHARACTERS_MAX = 384
/** Those that a symmetric key has (AWS KMS Developer Guide, "Grant operations"). */
const OPERATIONS = [
  'CreateGrant',
  'Decrypt',
  'DescribeKey',
  'Encrypt',
  'GenerateDataKey',
  'GenerateDataKeyWithoutPlaintext',
  'ReEncryptFrom',
  'ReEncryptTo',
  'RetireGrant',
] as const satisfies readonly GrantOperation[]

/** AWS KMS API Reference, GrantConstraints: up to 8 pairs, values of up to 384 characters. */
const constraint = encryptionContext.refine(
  (pairs) =>
    Object.keys(pairs).length <= PAIRS_MAX &&
    Object.values(pairs).every((value) => value.length <= VALUE_CHARACTERS_MAX),
  `must be at most ${PAIRS_MAX} pairs, with values of at most ${VALUE_CHARACTERS_MAX} characters`,
)

export const principal = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[\w+=,.@:/-]+$/, 'must be the ARN of a principal')
export const grantId = z.string().min(1).max(128)
export const grantName = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[a-zA-Z0-9:/_-]+$/, 'must be characters of a-zA-Z0-9:/_-')
export const grantOperations = z.array(z.enum(OPERATIONS)).min(1)
export const grantConstraints = z.strictObject({
  EncryptionContextEquals: constraint.optional(),
  EncryptionContextSubset: constraint.optional(),
  SourceArn: z.unknown().optional(),
})

export function grantConstraintsOf(given: z.infer<typeof grantConstraints> | undefined): GrantConstraints | undefined {
  const { EncryptionContextEquals: equals, EncryptionContextSubset: subset } = given ?? {}
  if (equals === undefined && subset === undefined) return undefined
  return {
    ...(equals !== undefined && { encryptionContextEquals: equals }),
    ...(subset !== undefined && { encryptionContextSubset: subset }),
  }
}
