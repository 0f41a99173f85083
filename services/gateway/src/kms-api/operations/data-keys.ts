import { insecureExportKeyBytes, Secret } from '@coffer/crypto-core'
import { z } from 'zod'
import { kmsApiError } from '../errors.ts'
import { assertOnly, encryptionContext, keyId, ofCryptography } from '../fields.ts'
import { keyOrAliasNamed } from '../named-keys.ts'
import { type KmsApiCall, kmsApiOperation } from '../operation.ts'
import { sealPlaintext } from '../seal-plaintext.ts'

const KEY_SPEC_BYTES = { AES_128: 16, AES_256: 32 } as const
const NumberOfBytes = z.int().min(1).max(1024)
/** AWS Nitro enclaves: the answer would be encrypted to the enclave. In the clear it would go to whom it is kept from. */
const Recipient = z.unknown().optional()

const DataKey = z.strictObject({
  ...ofCryptography,
  KeyId: keyId,
  EncryptionContext: encryptionContext.optional(),
  KeySpec: z.enum(['AES_128', 'AES_256']).optional(),
  NumberOfBytes: NumberOfBytes.optional(),
  Recipient,
})

export const generateDataKey = kmsApiOperation(
  DataKey,
  async (input, call) => {
    const { dataKey, ciphertextBlob, keyArn } = await makeDataKey(input, call)
    try {
      return { CiphertextBlob: ciphertextBlob, Plaintext: base64Of(dataKey), KeyId: keyArn }
    } finally {
      dataKey.wipe()
    }
  },
  { carriesSecrets: true },
)

export const generateDataKeyWithoutPlaintext = kmsApiOperation(
  DataKey.omit({ Recipient: true }),
  async (input, call) => {
    const { dataKey, ciphertextBlob, keyArn } = await makeDataKey(input, call)
    dataKey.wipe()
    return { CiphertextBlob: ciphertextBlob, KeyId: keyArn }
  },
)

export const generateRandom = kmsApiOperation(
  z.strictObject({ NumberOfBytes, CustomKeyStoreId: z.string().optional(), Recipient }),
  async (input) => {
    assertOnly('CustomKeyStoreId', input.CustomKeyStoreId, undefined)
    assertOnly('Recipient', input.Recipient, undefined)
    const random = Secret.random(input.NumberOfBytes)
    try {
      return { Plaintext: base64Of(random) }
    } finally {
      random.wipe()
    }
  },
  { carriesSecrets: true },
)

/** A plaintext for an answer: the string can't be wiped, and lives as long as the answer. */
export function base64Of(secret: Secret): string {
  const { buffer, byteOffset, length } = insecureExportKeyBytes(secret)
  return Buffer.from(buffer, byteOffset, length).toString('base64')
}

/** The caller wipes the data key. */
async function makeDataKey(input: z.infer<typeof DataKey>, call: KmsApiCall) {
  assertOnly('Recipient', input.Recipient, undefined)
  const dataKey = Secret.random(sizeOf(input))
  try {
    const { name, arn } = await keyOrAliasNamed(call, input.KeyId)
    const blob = await sealPlaintext(call, name, dataKey, input.EncryptionContext ?? {})
    return { dataKey, ciphertextBlob: blob.toString('base64'), keyArn: arn }
  } catch (error) {
    dataKey.wipe()
    throw error
  }
}

function sizeOf({ KeySpec, NumberOfBytes: sizeBytes }: z.infer<typeof DataKey>): number {
  if (KeySpec !== undefined && sizeBytes === undefined) return KEY_SPEC_BYTES[KeySpec]
  if (KeySpec === undefined && sizeBytes !== undefined) return sizeBytes
  throw kmsApiError('ValidationException', { message: 'Please specify either number of bytes or key spec.' })
}
