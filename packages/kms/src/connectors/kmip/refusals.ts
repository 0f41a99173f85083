import { type KmsErrorCode, kmsError } from '../../errors.ts'
import { type KmipClient, KmipRefused } from './kmip-client.ts'
import { REASON } from './vocabulary.ts'

const PROBE = Buffer.from('Is this key in working order?')

/** Result reasons that mean the same for every operation. Servers differ in those that are not here. */
const CODES = new Map<number, KmsErrorCode>([
  [REASON.itemNotFound, 'KMS_KEY_NOT_FOUND'],
  [REASON.objectNotFound, 'KMS_KEY_NOT_FOUND'],
  [REASON.objectDestroyed, 'KMS_KEY_NOT_FOUND'],
  [REASON.authenticationNotSuccessful, 'KMS_ACCESS_DENIED'],
  [REASON.notAuthorised, 'KMS_ACCESS_DENIED'],
  [REASON.operationNotSupported, 'KMS_NOT_SUPPORTED'],
  [REASON.featureNotSupported, 'KMS_NOT_SUPPORTED'],
  [REASON.badCryptographicParameters, 'KMS_NOT_SUPPORTED'],
  [REASON.unsupportedCryptographicParameters, 'KMS_NOT_SUPPORTED'],
  [REASON.unsupportedProtocolVersion, 'KMS_NOT_SUPPORTED'],
])
const STATE_OR_PERMISSION = new Set<number>([
  REASON.permissionDenied,
  REASON.illegalOperation,
  REASON.wrongKeyLifecycleState,
])

/** The error that a failed operation is to Coffer; anything but a refusal stays what it is. */
export function errorOf(error: unknown, keyId?: string): unknown {
  if (!(error instanceof KmipRefused)) return error
  const code = CODES.get(error.reason) ?? (STATE_OR_PERMISSION.has(error.reason) ? 'KMS_ACCESS_DENIED' : undefined)
  return kmsError(code ?? 'KMS_UNAVAILABLE', { ...(keyId !== undefined && { keyId }), reason: error.reason })
}

/** Why the server would not encrypt or decrypt with an object: one that is not active is disabled. */
export async function errorOfUse(error: unknown, client: KmipClient, id: string, keyId: string): Promise<unknown> {
  if (!(error instanceof KmipRefused) || !STATE_OR_PERMISSION.has(error.reason)) return errorOf(error, keyId)
  const state = await client.stateOf(id).catch((reason: unknown) => {
    throw errorOf(reason, keyId)
  })
  if (state === 'active') return errorOf(error, keyId)
  return kmsError(state === 'inactive' ? 'KMS_KEY_DISABLED' : 'KMS_KEY_NOT_FOUND', { keyId })
}

/**
 * Why the server would not decrypt. Servers have no common reason for a tag that is wrong (PyKMIP says "general failure"):
 * if the same object encrypts and decrypts something else, it was the ciphertext.
 */
export async function errorOfDecryption(
  error: unknown,
  client: KmipClient,
  id: string,
  keyId: string,
): Promise<unknown> {
  if (!(error instanceof KmipRefused)) return error
  if (error.reason === REASON.cryptographicFailure) return kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
  if (CODES.has(error.reason) || STATE_OR_PERMISSION.has(error.reason)) return errorOfUse(error, client, id, keyId)
  try {
    const opened = await client.decrypt(id, await client.encrypt(id, PROBE, PROBE), PROBE)
    opened.wipe()
  } catch (reason) {
    return errorOf(reason, keyId)
  }
  return kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
}
