import { type Secret, unwrapSecret } from '@coffer/crypto-core'
import { z } from 'zod'
import { kmsError } from '../../errors.ts'
import type { OpenedMasterKey } from './master-key-record.ts'

const MASTER_KEY_PURPOSE = 'kms master key'

/** Before the domain key: each version wrapped under the root key, everything else not authenticated. Read when a store is migrated. */
const Format1 = z.looseObject({
  format: z.literal(1),
  keyId: z.string(),
  state: z.enum(['enabled', 'disabled', 'pending-deletion', 'destroyed']),
  createdAt: z.int().min(0),
  deletionAt: z.int().min(0).optional(),
  versions: z.array(z.object({ createdAt: z.int().min(0), sealed: z.base64() })).min(1),
})

/** Undefined: not of format 1. KMS_RECORD_DAMAGED. */
export function openFormat1(value: Uint8Array, keyId: string, rootKey: Secret): OpenedMasterKey | undefined {
  try {
    const record: unknown = JSON.parse(Buffer.from(value).toString())
    if ((record as { format?: unknown } | null)?.format !== 1) return undefined
    const { state, createdAt, deletionAt, versions, ...rest } = Format1.parse(record)
    if (rest.keyId !== keyId) throw kmsError('KMS_RECORD_DAMAGED', { keyId })
    const secrets = versions
      .filter(() => state !== 'destroyed')
      .map(({ sealed }, index) => {
        const context = { keyId, version: String(index + 1) }
        return unwrapSecret(Buffer.from(sealed, 'base64'), rootKey, MASTER_KEY_PURPOSE, context)
      })
    const key = { keyId, state, createdAt, versions: versions.map((version) => ({ createdAt: version.createdAt })) }
    return { key: deletionAt === undefined ? key : { ...key, deletionAt }, secrets }
  } catch (cause) {
    throw kmsError('KMS_RECORD_DAMAGED', { keyId }, { cause })
  }
}
