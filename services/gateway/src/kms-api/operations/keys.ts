import { randomUUID } from 'node:crypto'
import { keyNameOf } from '@coffer/kms'
import { z } from 'zod'
import { assertOnly, description, grantTokens, keyId } from '../fields.ts'
import { assertNotServerKey, keyMetadata } from '../key-metadata.ts'
import { describeLiveKey, parseKey, parseKeyOrAlias } from '../key-names.ts'
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

/** A symmetric key in the default connector, enabled, with a random UUID for its id as in AWS. */
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
    const key = await call.kms.createKey(randomUUID())
    const name = keyNameOf(key)
    if (input.Policy !== undefined) await call.kms.setKeyPolicy(name, input.Policy, principals)
    if (input.Description) await call.kms.setDescription(name, input.Description)
    if (input.Tags?.length) await call.kms.tagKey(name, keyTagsOf(input.Tags))
    return { KeyMetadata: keyMetadata(key, input.Description ?? '', call) }
  },
  { changesKeys: true },
)

export const describeKey = kmsApiOperation(
  z.strictObject({ KeyId: keyId, GrantTokens: grantTokens.optional() }),
  async (input, call) => {
    const key = await describeLiveKey(call, parseKeyOrAlias(input.KeyId, call))
    const settings = await call.kms.describeSettings(keyNameOf(key))
    return { KeyMetadata: keyMetadata(key, settings.description, call) }
  },
)

export const enableKey = kmsApiOperation(
  z.strictObject({ KeyId: keyId }),
  async (input, call) => {
    await call.kms.enableKey(parseKey(input.KeyId, call))
    return undefined
  },
  { changesKeys: true },
)

/** What the key seals cannot be read or written until it is enabled again. */
export const disableKey = kmsApiOperation(
  z.strictObject({ KeyId: keyId }),
  async (input, call) => {
    const key = await describeLiveKey(call, parseKey(input.KeyId, call))
    assertNotServerKey(key, call)
    await call.kms.disableKey(keyNameOf(key))
    return undefined
  },
  { changesKeys: true },
)

export const updateKeyDescription = kmsApiOperation(
  z.strictObject({ KeyId: keyId, Description: description }),
  async (input, call) => {
    await call.kms.setDescription(parseKey(input.KeyId, call), input.Description)
    return undefined
  },
  { changesKeys: true },
)
