import { isCofferError } from '@coffer/errors'
import { Directory } from './directory.ts'
import { ENTITY_PREFIXES, type Entity, entityFrom, recordIdOf } from './entities.ts'
import { iamError } from './errors.ts'
import type { IamRecords, SealedChange } from './iam-records.ts'

/** Its revision is the number of the newest change: small, as it may be looked at with every request. */
const NUMBER_RECORD = 'change-number'
const CHANGES_RECORD = 'changes'
/** A process that is further behind reads everything anew. */
const CHANGES_KEPT = 200
const ATTEMPTS_MAX = 32
const ENTITY_RECORD = /^(account|settings|user|group|role|policy|oidc-provider|session-end)\//

/** The newest changes, oldest first: which records each touched. */
interface Changes {
  readonly recent: readonly (readonly [number: number, recordIds: readonly string[]])[]
}

/** What a change of the directory is to write, and what it answers. */
export interface Plan<T> {
  readonly put?: readonly Entity[]
  readonly remove?: readonly Entity[]
  /** Records that are not in the directory: secrets. */
  readonly others?: readonly SealedChange[]
  readonly result: T
}

export interface IamStoreOptions {
  /** How long the directory may be used without a look whether it is up to date; 0 where looking costs nothing. */
  readonly staleMsMax: number
  /** Of no records: all of them may have changed. */
  readonly onSecretsChanged: (recordIds: readonly string[]) => void
}

/**
 * The directory of this process, and the one way to change it. Every change of any process is one atomic write together with
 * the next number; so each is planned upon all that came before (names stay unique, limits hold), and a
 * process sees with one small read whether it is up to date, and what is not.
 */
export class IamStore {
  readonly #records: IamRecords
  readonly #staleMsMax: number
  readonly #onSecretsChanged: (recordIds: readonly string[]) => void
  #directory = new Directory()
  #number = -1
  #checkedAtMs = Number.NEGATIVE_INFINITY
  #refreshing: Promise<void> | undefined
  #refreshingNext: Promise<void> | undefined
  #changing: Promise<unknown> = Promise.resolve()

  constructor(records: IamRecords, { staleMsMax, onSecretsChanged }: IamStoreOptions) {
    this.#records = records
    this.#staleMsMax = staleMsMax
    this.#onSecretsChanged = onSecretsChanged
  }

  /** At most `staleMsMax` old; with everything that this process has changed itself. */
  async current(): Promise<Directory> {
    if (performance.now() - this.#checkedAtMs >= this.#staleMsMax) await this.#refresh()
    return this.#directory
  }

  /** With all that any process has been told that it has changed. */
  async newest(): Promise<Directory> {
    await this.#refresh()
    return this.#directory
  }

  /** Plans upon what is newest, again where another process came first. Whatever `plan` throws ends it. */
  change<T>(plan: (directory: Directory) => Plan<T> | Promise<Plan<T>>): Promise<T> {
    const changed = this.#changing.then(() => this.#change(plan))
    this.#changing = changed.catch(() => undefined)
    return changed
  }

  async #change<T>(plan: (directory: Directory) => Plan<T> | Promise<Plan<T>>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      await this.#refresh()
      const number = this.#number
      const planned = await plan(this.#directory)
      try {
        await this.#commit(planned, number)
        return planned.result
      } catch (error) {
        if (!isCofferError(error, 'META_RECORD_CHANGED') || attempt === ATTEMPTS_MAX) throw error
        this.#checkedAtMs = Number.NEGATIVE_INFINITY
      }
    }
  }

  async #commit({ put = [], remove = [], others = [] }: Plan<unknown>, number: number): Promise<void> {
    const changes: SealedChange[] = [
      ...put.map((entity) => ({ id: recordIdOf(entity), value: entity })),
      ...remove.map((entity) => ({ id: recordIdOf(entity) })),
      ...others,
    ]
    if (changes.length === 0) return
    const ids = changes.map(({ id }) => id)
    const recent = [...(await this.#recent()), [number + 1, ids] as const].slice(-CHANGES_KEPT)
    const counted = { id: NUMBER_RECORD, value: {}, expectedRevision: number }
    await this.#records.commit([...changes, { id: CHANGES_RECORD, value: { recent } }, counted])
    for (const entity of remove) this.#directory.remove(recordIdOf(entity))
    for (const entity of put) this.#directory.put(entity)
    this.#number = number + 1
    this.#onSecretsChanged(ids)
  }

  async #recent(): Promise<Changes['recent']> {
    return (await this.#records.find<Changes>(CHANGES_RECORD))?.recent ?? []
  }

  /** One at a time; whoever comes while one is on its way waits for the next, which all who wait share. */
  #refresh(): Promise<void> {
    if (this.#refreshing === undefined) {
      this.#refreshing = this.#follow()
      return this.#refreshing
    }
    this.#refreshingNext ??= this.#refreshing
      .catch(() => undefined)
      .then(() => {
        this.#refreshingNext = undefined
        return this.#refresh()
      })
    return this.#refreshingNext
  }

  async #follow(): Promise<void> {
    const askedAtMs = performance.now()
    try {
      const number = await this.#records.revisionOf(NUMBER_RECORD)
      if (number !== this.#number) await this.#catchUp(number)
      this.#checkedAtMs = askedAtMs
    } finally {
      this.#refreshing = undefined
    }
  }

  async #catchUp(number: number): Promise<void> {
    const recordIds = this.#number < 0 ? undefined : await this.#changedSince(this.#number, number)
    if (recordIds === undefined) await this.#loadAll()
    else await this.#load(recordIds)
    this.#number = number
  }

  /** Undefined: too long ago to tell. */
  async #changedSince(known: number, number: number): Promise<ReadonlySet<string> | undefined> {
    const missed = (await this.#recent()).filter(([of]) => of > known)
    if (number < known || missed[0]?.[0] !== known + 1) return undefined
    return new Set(missed.flatMap(([, recordIds]) => recordIds))
  }

  async #load(recordIds: ReadonlySet<string>): Promise<void> {
    for (const recordId of recordIds) {
      if (!ENTITY_RECORD.test(recordId)) continue
      const value = await this.#records.find<object>(recordId)
      if (value === undefined) this.#directory.remove(recordId)
      else this.#directory.put(entityFrom(recordId, value))
    }
    this.#onSecretsChanged([...recordIds])
  }

  async #loadAll(): Promise<void> {
    const directory = new Directory()
    for (const prefix of ENTITY_PREFIXES) {
      for (const [recordId, value] of await this.#records.list<object>(prefix)) {
        directory.put(entityFrom(recordId, value))
      }
    }
    this.#directory = directory
    this.#onSecretsChanged([])
  }
}

/** IAM_ACCOUNT_NOT_FOUND. */
export function accountIn(directory: Directory, idOrName: string) {
  const account = directory.account(idOrName) ?? directory.accountNamed(idOrName)
  if (account === undefined) throw iamError('IAM_ACCOUNT_NOT_FOUND', { account: idOrName.slice(0, 100) })
  return account
}
