import { Secret } from '@coffer/crypto-core'
import { keyNameOf } from '@coffer/kms'
import { z } from 'zod'
import { decodeBlob } from '../ciphertext-blob.ts'
import { kmsApiError } from '../errors.ts'
import { assertOnly, ciphertextBlob, encryptionContext, keyId, ofCryptography, plaintext } from '../fields.ts'
import { keyOrAliasNamed, liveKey } from '../named-keys.ts'
import { type KmsApiCall, kmsApiOperation } from '../operation.ts'
import { openCiphertext, sealPlaintext } from '../seal-plaintext.ts'
import { base64Of } from './data-keys.ts'

const ALGORITHM = 'SYMMETRIC_DEFAULT'
const Algorithm = z.string().optional()

export const encrypt = kmsApiOperation(
  z.strictObject({
    ...ofCryptography,
    KeyId: keyId,
    Plaintext: plaintext,
    EncryptionContext: encryptionContext.optional(),
    EncryptionAlgorithm: Algorithm,
  }),
  async (input, call) => {
    assertOnly('EncryptionAlgorithm', input.EncryptionAlgorithm, ALGORITHM)
    const secret = Secret.take(Buffer.from(input.Plaintext, 'base64'))
    try {
      const { name, arn } = await keyOrAliasNamed(call, input.KeyId)
      const blob = await sealPlaintext(call, name, secret, input.EncryptionContext ?? {})
      return {
        CiphertextBlob: blob.toString('base64'),
        KeyId: arn,
        EncryptionAlgorithm: ALGORITHM,
      }
    } finally {
      secret.wipe()
    }
  },
  { carriesSecrets: true },
)

/** The blob says which key it needs; a KeyId only makes sure. */
export const decrypt = kmsApiOperation(
  z.strictObject({
    ...ofCryptography,
    CiphertextBlob: ciphertextBlob,
    KeyId: keyId.optional(),
    EncryptionContext: encryptionContext.optional(),
    EncryptionAlgorithm: Algorithm,
    Recipient: z.unknown().optional(),
  }),
  async (input, call) => {
    assertOnly('EncryptionAlgorithm', input.EncryptionAlgorithm, ALGORITHM)
    assertOnly('Recipient', input.Recipient, undefined)
    const blob = Buffer.from(input.CiphertextBlob, 'base64')
    await assertUnder(input.KeyId, blob, call)
    const secret = await openCiphertext(call, blob, input.EncryptionContext ?? {})
    try {
      return { KeyId: await arnOfBlob(blob, call), Plaintext: base64Of(secret), EncryptionAlgorithm: ALGORITHM }
    } finally {
      secret.wipe()
    }
  },
  { carriesSecrets: true },
)

/** The same plaintext under another key, the newest version of its key, or another context; it does not leave the server. */
export const reEncrypt = kmsApiOperation(
  z.strictObject({
    ...ofCryptography,
    CiphertextBlob: ciphertextBlob,
    SourceKeyId: keyId.optional(),
    SourceEncryptionContext: encryptionContext.optional(),
    SourceEncryptionAlgorithm: Algorithm,
    DestinationKeyId: keyId,
    DestinationEncryptionContext: encryptionContext.optional(),
    DestinationEncryptionAlgorithm: Algorithm,
  }),
  async (input, call) => {
    assertOnly('SourceEncryptionAlgorithm', input.SourceEncryptionAlgorithm, ALGORITHM)
    assertOnly('DestinationEncryptionAlgorithm', input.DestinationEncryptionAlgorithm, ALGORITHM)
    const { name, arn } = await keyOrAliasNamed(call, input.DestinationKeyId)
    const source = Buffer.from(input.CiphertextBlob, 'base64')
    await assertUnder(input.SourceKeyId, source, call)
    const secret = await openCiphertext(call, source, input.SourceEncryptionContext ?? {})
    try {
      const blob = await sealPlaintext(call, name, secret, input.DestinationEncryptionContext ?? {})
      return {
        CiphertextBlob: blob.toString('base64'),
        SourceKeyId: await arnOfBlob(source, call),
        KeyId: arn,
        SourceEncryptionAlgorithm: ALGORITHM,
        DestinationEncryptionAlgorithm: ALGORITHM,
      }
    } finally {
      secret.wipe()
    }
  },
)

/** IncorrectKeyException where the client expects another key; InvalidCiphertextException. */
async function assertUnder(expected: string | undefined, blob: Buffer, call: KmsApiCall): Promise<void> {
  const { wrapped } = decodeBlob(blob)
  if (expected === undefined) return
  const key = await liveKey(call, await keyOrAliasNamed(call, expected))
  if (keyNameOf(key) !== keyNameOf(wrapped)) throw kmsApiError('IncorrectKeyException')
}

async function arnOfBlob(blob: Buffer, { guards }: KmsApiCall): Promise<string> {
  return (await guards.find(keyNameOf(decodeBlob(blob).wrapped))).arn
}
