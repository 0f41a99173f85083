import { kmsError } from '../../errors.ts'
import type { KeyState } from '../../kms-connector.ts'

/** A master key as it is stored: version n is at index n - 1; `sealed` is base64 of the version wrapped under the root key. */
export interface StoredMasterKey {
  readonly keyId: string
  readonly state: KeyState
  readonly createdAt: number
  readonly deletionAt?: number
  readonly versions: readonly { readonly createdAt: number; readonly sealed: string }[]
}

const FORMAT = 1

export function encodeMasterKey(key: StoredMasterKey): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, ...key }))
}

/** KMS_RECORD_DAMAGED for anything that is not a record of this format. */
export function decodeMasterKey(value: Uint8Array): StoredMasterKey {
  try {
    const { format, ...key } = JSON.parse(Buffer.from(value).toString()) as StoredMasterKey & { format: number }
    if (format === FORMAT && Array.isArray(key.versions) && key.versions.length > 0) return key
  } catch (cause) {
    throw kmsError('KMS_RECORD_DAMAGED', undefined, { cause })
  }
  throw kmsError('KMS_RECORD_DAMAGED')
}
