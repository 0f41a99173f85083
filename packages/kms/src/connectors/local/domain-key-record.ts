import { Secret, unwrapSecret, wrapSecret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import { z } from 'zod'
import { kmsError } from '../../errors.ts'

const KEY_BYTES = 32
const DOMAIN_KEY_PURPOSE = 'kms domain key'
const PREVIOUS_PURPOSE = 'kms previous domain key'
const HANDOVER_PURPOSE = 'kms domain key handover'
const ROOT_CHECK_PURPOSE = 'kms root check'

const Base64 = z.base64().transform((text) => Buffer.from(text, 'base64'))

/** docs/encryption-format.md, "Master keys". */
const DomainKeyRecord = z.strictObject({
  format: z.literal(2),
  version: z.int().min(1),
  sealed: Base64,
  migrating: z.boolean(),
  previous: z.strictObject({ sealed: Base64, handover: Base64 }).optional(),
})

/** The one record that is sealed under the root key: the domain key, which seals every master key. */
export type DomainKeyRecord = z.infer<typeof DomainKeyRecord>

/** A version of the domain key, opened. */
export interface DomainKeyVersion {
  readonly version: number
  readonly key: Secret
}

/** KMS_RECORD_DAMAGED. */
export function decodeDomainKeyRecord(value: Uint8Array): DomainKeyRecord {
  try {
    return DomainKeyRecord.parse(JSON.parse(Buffer.from(value).toString()))
  } catch (cause) {
    throw kmsError('KMS_RECORD_DAMAGED', undefined, { cause })
  }
}

export function encodeDomainKeyRecord({ sealed, previous, ...clear }: DomainKeyRecord): Uint8Array {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  const kept = previous && { sealed: base64(previous.sealed), handover: base64(previous.handover) }
  return Buffer.from(JSON.stringify({ ...clear, sealed: base64(sealed), ...(kept && { previous: kept }) }))
}

export function newDomainKey(version: number): DomainKeyVersion {
  return { version, key: Secret.random(KEY_BYTES) }
}

/** `migrating`: master keys of format 1 are still let in. */
export function recordOfDomainKey(
  { version, key }: DomainKeyVersion,
  rootKey: Secret,
  migrating: boolean,
): DomainKeyRecord {
  const sealed = wrapSecret(key, rootKey, DOMAIN_KEY_PURPOSE, contextOf(version, migrating))
  return { format: 2, version, sealed: Buffer.from(sealed), migrating }
}

/**
 * The record while master keys go from one version to its successor: who opens the successor with the root key finds the
 * version before it, and a process that holds that one is handed the successor, without any root key.
 */
export function recordOfSuccession(
  from: DomainKeyVersion,
  successor: DomainKeyVersion,
  rootKey: Secret,
): DomainKeyRecord {
  const sealed = wrapSecret(from.key, successor.key, PREVIOUS_PURPOSE, versionContext(from.version))
  const handover = wrapSecret(successor.key, from.key, HANDOVER_PURPOSE, versionContext(successor.version))
  const previous = { sealed: Buffer.from(sealed), handover: Buffer.from(handover) }
  return { ...recordOfDomainKey(successor, rootKey, false), previous }
}

/** KMS_ROOT_KEY_WRONG, KMS_RECORD_DAMAGED. */
export function openDomainKeyRecord(record: DomainKeyRecord, rootKey: Secret): DomainKeyVersion {
  const { version, sealed, migrating } = record
  const key = opened(() => unwrapSecret(sealed, rootKey, DOMAIN_KEY_PURPOSE, contextOf(version, migrating)))
  return { version, key }
}

/** The version before `successor`, where the record still keeps it. KMS_RECORD_DAMAGED. */
export function openPrevious(record: DomainKeyRecord, successor: DomainKeyVersion): DomainKeyVersion | undefined {
  if (record.previous === undefined) return undefined
  const { sealed } = record.previous
  const version = successor.version - 1
  return { version, key: handed(() => unwrapSecret(sealed, successor.key, PREVIOUS_PURPOSE, versionContext(version))) }
}

/** The successor of `from`, where the record hands it over. KMS_RECORD_DAMAGED. */
export function openHandover(record: DomainKeyRecord, from: DomainKeyVersion): DomainKeyVersion | undefined {
  if (record.previous === undefined || record.version !== from.version + 1) return undefined
  const { handover } = record.previous
  const { version } = record
  return { version, key: handed(() => unwrapSecret(handover, from.key, HANDOVER_PURPOSE, versionContext(version))) }
}

/** Of stores before the domain key: random bytes under the root key. KMS_ROOT_KEY_WRONG, KMS_RECORD_DAMAGED. */
export function checkRootKey(value: Uint8Array, rootKey: Secret): void {
  opened(() => unwrapSecret(value, rootKey, ROOT_CHECK_PURPOSE, {})).wipe()
}

function opened(open: () => Secret): Secret {
  try {
    return open()
  } catch (cause) {
    const isWrong = isCofferError(cause, 'CRYPTO_WRONG_KEY')
    throw kmsError(isWrong ? 'KMS_ROOT_KEY_WRONG' : 'KMS_RECORD_DAMAGED', undefined, { cause })
  }
}

function handed(open: () => Secret): Secret {
  try {
    return open()
  } catch (cause) {
    throw kmsError('KMS_RECORD_DAMAGED', undefined, { cause })
  }
}

function contextOf(version: number, migrating: boolean): Record<string, string> {
  return { ...versionContext(version), migrating: String(migrating) }
}

function versionContext(version: number): Record<string, string> {
  return { version: String(version) }
}
