import { isCofferError } from '@coffer/errors'
import type { IamRecords } from './iam-records.ts'

/**
 * A record that one account alone can have: its name, the id of an access key. It is claimed before the account is written
 * and confirmed after that. A claim whose account never came, as its maker was killed, can be taken over; a maker that was
 * only slow finds out when it confirms. So two accounts never share a name, and nothing stays blocked.
 */
export interface Claim {
  /** Whether it is still this maker's; nobody can take it over from now on. */
  confirm(): Promise<boolean>
}

/** Undefined: somebody else's, as `isTaken` says of what the record holds. */
export async function claim<T>(
  records: IamRecords,
  id: string,
  value: T,
  isTaken: (held: T) => Promise<boolean>,
): Promise<Claim | undefined> {
  const held = await records.findWithRevision<T>(id)
  if (held !== undefined && (await isTaken(held.value))) return undefined
  const revision = await putIfUnchanged(records, id, value, held?.revision ?? 0)
  if (revision === undefined) return undefined
  return { confirm: async () => (await putIfUnchanged(records, id, value, revision)) !== undefined }
}

async function putIfUnchanged(
  records: IamRecords,
  id: string,
  value: unknown,
  expectedRevision: number,
): Promise<number | undefined> {
  try {
    return await records.put(id, value, expectedRevision)
  } catch (error) {
    if (isCofferError(error, 'META_RECORD_CHANGED')) return undefined
    throw error
  }
}
