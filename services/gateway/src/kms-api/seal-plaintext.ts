import { type Secret, unwrapSecret, wrapSecret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { EncryptionContext, WrappingKey } from '@coffer/kms'
import { decodeBlob, encodeBlob, encodeHeader } from './ciphertext-blob.ts'
import { kmsApiError } from './errors.ts'
import type { KmsApiCall } from './operation.ts'

const PURPOSE = 'kms api ciphertext'

/**
 * Encrypts 1 to 4,096 bytes under the newest version of a master key: the KMS makes a data key for them alone, which comes as
 * a parcel. So the plaintext goes to no other process, and any KMS will do, whatever it can encrypt itself.
 */
export async function sealPlaintext(
  { kms, mesh }: Pick<KmsApiCall, 'kms' | 'mesh'>,
  keyName: string,
  plaintext: Secret,
  context: EncryptionContext,
): Promise<Buffer> {
  const kmsContext = kmsContextOf(context)
  const { plaintext: parcel, wrapped } = await kms.generateDataKey(keyName, kmsContext, mesh.recipient())
  const dataKey = mesh.unparcel(parcel, 'data-key', kmsContext)
  try {
    const sealed = wrapSecret(plaintext, dataKey, PURPOSE, sealContextOf(wrapped, context))
    return encodeBlob({ wrapped, sealed })
  } finally {
    dataKey.wipe()
  }
}

/** The caller wipes the plaintext. InvalidCiphertextException; AccessDeniedException for a key that is not there. */
export async function openCiphertext(
  { kms, mesh }: Pick<KmsApiCall, 'kms' | 'mesh'>,
  blob: Buffer,
  context: EncryptionContext,
): Promise<Secret> {
  const { wrapped, sealed } = decodeBlob(blob)
  const kmsContext = kmsContextOf(context)
  const dataKey = await kms
    .decrypt(wrapped, kmsContext, mesh.recipient())
    .then((parcel) => mesh.unparcel(parcel, 'data-key', kmsContext))
    .catch((error: unknown) => {
      throw isOfUnknownKey(error) ? unknownKey(error) : error
    })
  try {
    return unwrapSecret(sealed, dataKey, PURPOSE, sealContextOf(wrapped, context))
  } catch (cause) {
    if (!isCofferError(cause)) throw cause
    throw kmsApiError('InvalidCiphertextException', { cause })
  } finally {
    dataKey.wipe()
  }
}

/** No client can give this name: what the KMS wraps for buckets and objects never opens here, nor this there. */
function kmsContextOf(context: EncryptionContext): EncryptionContext {
  return { ...context, 'coffer:purpose': 'kms-api' }
}

function sealContextOf(key: WrappingKey, context: EncryptionContext): EncryptionContext {
  return { ...context, 'coffer:key': encodeHeader(key).toString('base64') }
}

function isOfUnknownKey(error: unknown): boolean {
  const codes = ['KMS_KEY_NOT_FOUND', 'KMS_KEY_ID_INVALID', 'KMS_CONNECTOR_NOT_FOUND']
  return isCofferError(error) && codes.includes(error.code)
}

function unknownKey(cause: unknown) {
  return kmsApiError('AccessDeniedException', {
    message:
      'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
    cause,
  })
}
