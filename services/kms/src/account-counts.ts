import type { KeyOwner, KeyQuota, KeyUsage } from '@coffer/contracts'
import { type KmsRecordChange, kmsError, type RemovableRecords, untilUnchanged } from '@coffer/kms'

/** AWS KMS, "Resource quotas": an account has 100,000 keys there. Here the housekeeping looks at each of them every minute. */
const KEYS_OF_ACCOUNT_MAX = 10_000
/** AWS has no such limit but 50 for a key. */
const ALIASES_OF_ACCOUNT_MAX = 10_000
const PREFIX = 'account-count/'
const FORMAT = 1

/** What an account has, and what the operator has set, if anything. */
export interface AccountCount extends KeyQuota {
  readonly keyCount: number
  readonly aliasCount: number
}

/** Records that change, and what that makes more or fewer. */
export interface CountedChange {
  readonly changes: readonly KmsRecordChange[]
  readonly keysAdded?: number
  readonly aliasesAdded?: number
}

const NOTHING: AccountCount = { keyCount: 0, aliasCount: 0 }

/** The account that names no owner. */
const FIRST = 'first'

/** How the names of records say whose they are. */
export function accountNameOf({ ownerAccountId = FIRST }: KeyOwner): string {
  return ownerAccountId
}

/** The inverse. */
export function ownerNamed(account: string): KeyOwner {
  return account === FIRST ? {} : { ownerAccountId: account }
}

/** How many keys and aliases each account has: a record for each account, written in the one write that makes or removes them. */
export class AccountCounts {
  readonly #records: RemovableRecords
  readonly #whenIndexed: () => Promise<void>
  /** The last change of each account that is under way here: they would only meet each other in the same record. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(records: RemovableRecords, whenIndexed: () => Promise<void>) {
    this.#records = records
    this.#whenIndexed = whenIndexed
  }

  async usageOf(owner: KeyOwner): Promise<KeyUsage> {
    await this.#whenIndexed()
    const { count } = await this.#find(owner)
    return { keyCountMax: KEYS_OF_ACCOUNT_MAX, aliasCountMax: ALIASES_OF_ACCOUNT_MAX, ...count }
  }

  /** In place of the one before. */
  async setQuota(owner: KeyOwner, { keyCountMax, aliasCountMax }: KeyQuota): Promise<void> {
    const quota = {
      ...(keyCountMax !== undefined && { keyCountMax }),
      ...(aliasCountMax !== undefined && { aliasCountMax }),
    }
    await this.#change(owner, async ({ keyCount, aliasCount }) => ({
      changes: [],
      count: { keyCount, aliasCount, ...quota },
    }))
  }

  /**
   * One write with the count. `plan` is asked again where somebody else has written in between: it reads what it depends on, and names the revisions
   * that it has seen. KMS_QUOTA_EXCEEDED where it adds what there is no room for; `isFree`: all the same.
   */
  async change(owner: KeyOwner, plan: () => Promise<CountedChange>, { isFree = false } = {}): Promise<void> {
    await this.#change(owner, async (before) => {
      const { changes, keysAdded = 0, aliasesAdded = 0 } = await plan()
      if (!isFree) assertRoom(before, { keysAdded, aliasesAdded })
      const keyCount = Math.max(0, before.keyCount + keysAdded)
      const aliasCount = Math.max(0, before.aliasCount + aliasesAdded)
      return { changes, count: { ...before, keyCount, aliasCount } }
    })
  }

  async #change(
    owner: KeyOwner,
    next: (before: AccountCount) => Promise<{ changes: readonly KmsRecordChange[]; count: AccountCount }>,
  ): Promise<void> {
    await this.#whenIndexed()
    const account = accountNameOf(owner)
    await this.#inTurn(account, () =>
      untilUnchanged(PREFIX + account, async () => {
        const { count: before, revision } = await this.#find(owner)
        const { changes, count } = await next(before)
        await this.#records.change([...changes, { ...encodeCount(account, count), expectedRevision: revision }])
      }),
    )
  }

  async #find(owner: KeyOwner): Promise<{ count: AccountCount; revision: number }> {
    const record = await this.#records.find(PREFIX + accountNameOf(owner))
    return record ? { count: decodeCount(record.value), revision: record.revision } : { count: NOTHING, revision: 0 }
  }

  async #inTurn(account: string, act: () => Promise<void>): Promise<void> {
    const before = this.#turns.get(account) ?? Promise.resolve()
    const turn = before.then(act, act)
    this.#turns.set(account, turn)
    try {
      await turn
    } finally {
      if (this.#turns.get(account) === turn) this.#turns.delete(account)
    }
  }
}

/** The record stays when it counts nothing: its revision is never one that somebody has read before. */
export function encodeCount(account: string, count: AccountCount): KmsRecordChange & { readonly value: Uint8Array } {
  return { id: PREFIX + account, value: Buffer.from(JSON.stringify({ format: FORMAT, ...count })) }
}

function decodeCount(value: Uint8Array): AccountCount {
  const { format, ...count } = JSON.parse(Buffer.from(value).toString())
  if (format !== FORMAT) throw kmsError('KMS_RECORD_DAMAGED', { format })
  return count
}

function assertRoom(
  { keyCount, keyCountMax = KEYS_OF_ACCOUNT_MAX, aliasCount, aliasCountMax = ALIASES_OF_ACCOUNT_MAX }: AccountCount,
  { keysAdded, aliasesAdded }: { readonly keysAdded: number; readonly aliasesAdded: number },
): void {
  if (keysAdded > 0 && keyCount + keysAdded > keyCountMax) {
    throw kmsError('KMS_QUOTA_EXCEEDED', { quota: 'master keys', max: keyCountMax })
  }
  if (aliasesAdded > 0 && aliasCount + aliasesAdded > aliasCountMax) {
    throw kmsError('KMS_QUOTA_EXCEEDED', { quota: 'aliases', max: aliasCountMax })
  }
}
