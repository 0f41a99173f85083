import { isCofferError } from '@coffer/errors'
import type { User } from './entities.ts'
import { refusal } from './errors.ts'
import type { IamRecords } from './iam-records.ts'

/** NIST SP 800-63B, section 5.2.2, allows up to 100. */
const WRONG_IN_A_ROW_MAX = 10
const LOCKED_MS = 15 * 60 * 1000
/** More than guesses at one moment that can all be counted. */
const ATTEMPTS_MAX = 64

interface Guesses {
  readonly count: number
  readonly lastAt: number
}

/** How often in a row a user's password was tried: a record that no other decision needs. */
export function guessesRecord({ accountId, id }: Pick<User, 'accountId' | 'id'>): string {
  return `password-guesses/${accountId}/${id}`
}

/**
 * Whether a guess of a user's password is right. Each is counted before it is looked at, of all processes together, so that many at one moment are
 * no more than so many; a right one begins anew. IAM_TEMPORARILY_UNMODIFIABLE after ten wrong ones, for a quarter of an hour, right ones too.
 */
export async function tryPassword(
  records: IamRecords,
  user: Pick<User, 'accountId' | 'id'>,
  isRight: () => Promise<boolean>,
): Promise<boolean> {
  const id = guessesRecord(user)
  await count(records, id)
  if (!(await isRight())) return false
  await records.commit([{ id }])
  return true
}

async function count(records: IamRecords, id: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    // In this order: a record that changes in between is not overwritten.
    const expectedRevision = await records.revisionOf(id)
    const { count: before, lastAt } = (await records.find<Guesses>(id)) ?? { count: 0, lastAt: 0 }
    const isOver = Date.now() - lastAt >= LOCKED_MS
    if (before >= WRONG_IN_A_ROW_MAX && !isOver) {
      throw refusal('IAM_TEMPORARILY_UNMODIFIABLE', 'The password was wrong too often. Try again after 15 minutes.')
    }
    try {
      const value = { count: isOver ? 1 : before + 1, lastAt: Date.now() } satisfies Guesses
      await records.commit([{ id, value, expectedRevision }])
      return
    } catch (error) {
      if (!isCofferError(error, 'META_RECORD_CHANGED') || attempt === ATTEMPTS_MAX) throw error
    }
  }
}
