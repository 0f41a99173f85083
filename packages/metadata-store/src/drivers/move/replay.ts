import { metadataError } from '../../errors.ts'
import { DATABASE_NAMES, type DatabaseName } from '../rows/databases.ts'
import type { MoveSource, MoveTarget } from './move-store.ts'

/** What is replayed at once. */
const PAGE = { entryCount: 5_000, sizeBytes: 16 * 1024 ** 2 }
/** While rows are copied or compared: so often, so that the journal stays short, and so much, so that they go on. */
const EVERY_MS = 1_000
const PAGES_MAX = 10

/**
 * Brings rows that the journal names into the target, as they are by now, and takes the entries out of the journal once that
 * is on stable storage there.
 *
 * Rows beyond what has been copied are passed over: the copy is still to read them. So a target never holds a key beyond that
 * end, and after a kill its last key says where to go on.
 */
export class Replay {
  readonly #source: MoveSource
  readonly #target: MoveTarget
  readonly #id: string
  /** Up to which key a table is copied; absent: nothing of it is. */
  readonly #ends = new Map<DatabaseName, Buffer | 'end'>()
  #count = 0
  #perMs = 1
  #lastAt = 0

  private constructor(source: MoveSource, target: MoveTarget, id: string) {
    this.#source = source
    this.#target = target
    this.#id = id
  }

  static async open(source: MoveSource, target: MoveTarget, id: string): Promise<Replay> {
    const replay = new Replay(source, target, id)
    for (const table of DATABASE_NAMES) {
      const last = await target.lastKey(table)
      if (last) replay.#ends.set(table, last)
    }
    return replay
  }

  /** Entries so far. */
  get count(): number {
    return this.#count
  }

  copied(table: DatabaseName, end: Buffer | 'end'): void {
    this.#ends.set(table, end)
  }

  copiedTo(table: DatabaseName): Buffer | undefined {
    const end = this.#ends.get(table)
    return end === 'end' ? undefined : end
  }

  /** So many are replayed in this time, by the last page. */
  countIn(ms: number): number {
    return this.#perMs * ms
  }

  /** One page. Whether there may be more. META_STORE_CLOSED: the move was abandoned. */
  async some(entryCountMax = PAGE.entryCount): Promise<boolean> {
    const startedAt = performance.now()
    const entryCount = Math.min(entryCountMax, PAGE.entryCount)
    const { state, ids, rows } = await this.#source.readJournal({ ...PAGE, entryCount })
    if (state?.id !== this.#id) throw metadataError('META_STORE_CLOSED', { reason: 'the move was abandoned' })
    if (ids.length === 0) return false
    const due = rows.filter(({ table, key }) => this.#isCopied(table, key))
    if (due.length > 0) await this.#target.change(due)
    await this.#source.forgetJournal(ids)
    this.#count += ids.length
    this.#perMs = ids.length / Math.max(1, performance.now() - startedAt)
    return true
  }

  /** Now and then. */
  async regularly(): Promise<void> {
    if (performance.now() - this.#lastAt < EVERY_MS) return
    for (let page = 0; page < PAGES_MAX && (await this.some()); page += 1) {}
    this.#lastAt = performance.now()
  }

  /** Until nothing was left. */
  async all(): Promise<void> {
    while (await this.some()) {}
  }

  #isCopied(table: DatabaseName, key: Buffer): boolean {
    const end = this.#ends.get(table)
    return end === 'end' || (end !== undefined && Buffer.compare(key, end) <= 0)
  }
}
