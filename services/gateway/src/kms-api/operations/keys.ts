import { randomUUID } from 'node:crypto'
import { invariant } from '@coffer/errors'
import { keyNameOf } from '@coffer/kms'
import { z } from 'zod'
import { assertOnly, description, grantTokens, keyId } from '../fields.ts'
import { assertNotServerKey, keyMetadata } from '../key-metadata.ts'
import { keyNamed, keyOrAliasNamed, liveKey, liveKeyNamed } from '../named-keys.ts'
import { kmsApiOperation } from '../operation.ts'
import { assertTags, keyTagsOf, tags } from '../tags.ts'
import { bindKeyPolicy } from './policies.ts'

const CreateKey = z.strictObject({
  BypassPolicyLockoutSafetyCheck: z.boolean().optional(),
  CustomKeyStoreId: z.string().optional(),
  CustomerMasterKeySpec: z.string().optional(),
  Description: description.optional(),
  KeySpec: z.string().optional(),
  KeyUsage: z.string().optional(),
  MultiRegion: z.boolean().optional(),
  Origin: z.string().optional(),
  Policy: z.string().optional(),
  Tags: tags.optional(),
  XksKeyId: z.string().optional(),
})

/** A symmetric key of the caller's account in the default connector, enabled, with a random UUID for its id as in AWS. */
export const createKey = kmsApiOperation(
  CreateKey,
  async (input, call) => {
    assertOnly('KeySpec', input.KeySpec ?? input.CustomerMasterKeySpec, 'SYMMETRIC_DEFAULT')
    assertOnly('KeyUsage', input.KeyUsage, 'ENCRYPT_DECRYPT')
    assertOnly('Origin', input.Origin, 'AWS_KMS')
    assertOnly('MultiRegion', input.MultiRegion, false)
    assertOnly('CustomKeyStoreId', input.CustomKeyStoreId, undefined)
    assertOnly('XksKeyId', input.XksKeyId, undefined)
    const isUnchecked = input.BypassPolicyLockoutSafetyCheck === true
    const principals = input.Policy === undefined ? {} : await bindKeyPolicy(input.Policy, isUnchecked, call)
    assertTags(input.Tags)
    const key = await call.kms.createKey(randomUUID(), {
      ...call.owner,
      ...(input.Policy !== undefined && { policy: input.Policy, policyPrincipals: principals }),
      ...(input.Description && { description: input.Description }),
      ...(input.Tags?.length && { tags: keyTagsOf(input.Tags) }),
    })
    // A KMS service of a version that knows of no owners: rather no key than one that is another account's.
    invariant(key.ownerAccountId === call.owner.ownerAccountId, 'a new key is its maker’s')
    return { KeyMetadata: keyMetadata(key, input.Description ?? '', call) }
  },
  { changesKeys: true },
)

export const describeKey = kmsApiOperation(
  z.strictObject({ KeyId: keyId, GrantTokens: grantTokens.optional() }),
  async (input, call) => {
    const key = await liveKey(call, await keyOrAliasNamed(call, input.KeyId))
    const settings = await call.kms.describeSettings(keyNameOf(key))
    return { KeyMetadata: keyMetadata(key, settings.description, call) }
  },
)

export const enableKey = kmsApiOperation(
  z.strictObject({ KeyId: keyId }),
  async (input, call) => {
    await call.kms.enableKey((await keyNamed(call, input.KeyId)).name)
    return undefined
  },
  { changesKeys: true },
)

/** What the key seals cannot be read or written until it is enabled again. */
export const disableKey = kmsApiOperation(
  z.strictObject({ KeyId: keyId }),
  async (input, call) => {
    const key = await liveKeyNamed(call, input.KeyId)
    assertNotServerKey(key, call)
    await call.kms.disableKey(keyNameOf(key))
    return undefined
  },
  { changesKeys: true },
)

export const updateKeyDescription = kmsApiOperation(
  z.strictObject({ KeyId: keyId, Description: description }),
  async (input, call) => {
    await call.kms.setDescription((await keyNamed(call, input.KeyId)).name, input.Description)
    return undefined
  },
  { changesKeys: true },
)
