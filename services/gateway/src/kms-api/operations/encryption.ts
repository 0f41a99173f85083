import { Secret } from '@coffer/crypto-core'
import { keyNameOf } from '@coffer/kms'
import { z } from 'zod'
import { decodeBlob } from '../ciphertext-blob.ts'
import { kmsApiError } from '../errors.ts'
import { assertOnly, ciphertextBlob, encryptionContext, keyId, ofCryptography, plaintext } from '../fields.ts'
import { describeLiveKey, keyArnOf, parseKeyOrAlias } from '../key-names.ts'
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
      const keyName = parseKeyOrAlias(input.KeyId, call)
      const { blob, key } = await sealPlaintext(call, keyName, secret, input.EncryptionContext ?? {})
      return {
        CiphertextBlob: blob.toString('base64'),
        KeyId: keyArnOf(key, call),
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
    const keyArn = await keyOfBlob(blob, input.KeyId, call)
    const secret = await openCiphertext(call, blob, input.EncryptionContext ?? {})
    try {
      return { KeyId: keyArn, Plaintext: base64Of(secret), EncryptionAlgorithm: ALGORITHM }
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
    const destination = parseKeyOrAlias(input.DestinationKeyId, call)
    const source = Buffer.from(input.CiphertextBlob, 'base64')
    const sourceArn = await keyOfBlob(source, input.SourceKeyId, call)
    const secret = await openCiphertext(call, source, input.SourceEncryptionContext ?? {})
    try {
      const { blob, key } = await sealPlaintext(call, destination, secret, input.DestinationEncryptionContext ?? {})
      return {
        CiphertextBlob: blob.toString('base64'),
        SourceKeyId: sourceArn,
        KeyId: keyArnOf(key, call),
        SourceEncryptionAlgorithm: ALGORITHM,
        DestinationEncryptionAlgorithm: ALGORITHM,
      }
    } finally {
      secret.wipe()
    }
  },
)

/** The ARN of the key that a blob names. IncorrectKeyException where the client expects another; InvalidCiphertextException. */
async function keyOfBlob(blob: Buffer, expected: string | undefined, call: KmsApiCall): Promise<string> {
  const { wrapped } = decodeBlob(blob)
  if (expected !== undefined) {
    const key = await describeLiveKey(call, parseKeyOrAlias(expected, call))
    if (keyNameOf(key) !== keyNameOf(wrapped)) throw kmsApiError('IncorrectKeyException')
  }
  return keyArnOf(wrapped, call)
}
