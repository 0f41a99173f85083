import { CHECKSUM_BYTES, checksumOf } from './row.ts'
import type { Table } from './table.ts'

/**
 * What an entry takes beside its row: its objects, and what those who open it keep with it (`isKept`; test/bench/known-objects.ts
 * measures it).
 */
const ENTRY_SIZE_BYTES = 1_000
/** What is decoded and opened of a row is about as large as the row again. */
const VALUES_PER_ROW_BYTE = 2
/** No row takes more of the room than this part of it. */
const ROW_SHARE_MAX = 1 / 8
/**
 * Rows of which it is known that they were read lately, by their checksums, in places for a few: about as many as are kept. Of more
 * objects than these that are read in turn few are kept at a time, as what is kept would be pushed out before it is asked for.
 */
const SEEN_PLACES = 4096
const SEEN_PER_PLACE = 4

export interface KnownRow<Value> {
  /** The row, and then its key: in one piece of memory, and without a view of each, for each piece and each view takes 100 bytes and more. */
  readonly bytes: Buffer
  readonly rowSizeBytes: number
  readonly value: Value
  /** Since the hand came by. */
  isAsked: boolean
}

/**
 * Rows of one table as they were decoded last. Each look reads the row anew, so that nothing of another process' commits is missed;
 * one with the very bytes that were checked and decoded before gives the same value, which nobody may change. A row is kept from its
 * second look on: whoever reads a million objects once each leaves nothing here for the garbage collector, and pushes nothing out.
 *
 * What is kept has a size: where there is no more room, a hand goes round from the oldest on and takes out what nobody has asked for
 * since it came by (SIEVE: Zhang, Yang, Yue, Vigfusson, Rashmi: SIEVE is Simpler than LRU, NSDI 2024).
 */
export class KnownRows<Value> {
  readonly #sizeBytesMax: number
  /** In the order in which they came. */
  readonly #known = new Map<string, KnownRow<Value>>()
  #hand = this.#known.entries()
  #sizeBytes = 0
  /** Each in the place that its own bits name. */
  readonly #seen = new Int32Array(SEEN_PLACES * SEEN_PER_PLACE)
  #seenCount = 0

  /** `sizeBytesMax`: of all that is kept, estimated. */
  constructor(options: { readonly sizeBytesMax: number }) {
    this.#sizeBytesMax = options.sizeBytesMax
  }

  /**
   * `keyOf` and `decode` are asked where `name` is not known, or its row is another now. `decode` gets a row of its own, and
   * is told whether its value is kept.
   */
  find(
    table: Table,
    name: string,
    keyOf: () => Buffer,
    decode: (row: Buffer, key: Buffer, isKept: boolean) => Value,
  ): KnownRow<Value> | undefined {
    const known = this.#known.get(name)
    const key = known === undefined ? keyOf() : keyOfKnown(known)
    const view = table.getBinaryFast(key)
    if (known !== undefined) {
      if (view !== undefined && isRow(view, known)) {
        known.isAsked = true
        return known
      }
      this.#drop(name, known)
    }
    if (view === undefined) return undefined
    const rowSizeBytes = view.length
    const isKept = this.#fits(rowSizeBytes) && (known !== undefined || this.#wasSeen(view))
    const allocate = isKept ? Buffer.allocUnsafeSlow : Buffer.allocUnsafe
    const bytes = allocate(rowSizeBytes + key.length)
    view.copy(bytes, 0, 0, rowSizeBytes)
    key.copy(bytes, rowSizeBytes)
    const value = decode(bytes.subarray(0, rowSizeBytes), bytes.subarray(rowSizeBytes), isKept)
    const read: KnownRow<Value> = { bytes, rowSizeBytes, value, isAsked: false }
    if (isKept) this.#keep(name, read)
    return read
  }

  #keep(name: string, known: KnownRow<Value>): void {
    this.#sizeBytes += keptSizeBytes(known.rowSizeBytes)
    while (this.#sizeBytes > this.#sizeBytesMax) this.#moveHand()
    this.#known.set(name, known)
  }

  #moveHand(): void {
    let next = this.#hand.next()
    if (next.done) {
      this.#hand = this.#known.entries()
      next = this.#hand.next()
    }
    if (next.done) return
    const [name, known] = next.value
    if (known.isAsked) known.isAsked = false
    else this.#drop(name, known)
  }

  #drop(name: string, known: KnownRow<Value>): void {
    this.#known.delete(name)
    this.#sizeBytes -= keptSizeBytes(known.rowSizeBytes)
  }

  /** What has no checksum is no row of ours. */
  #fits(rowSizeBytes: number): boolean {
    return rowSizeBytes >= CHECKSUM_BYTES && keptSizeBytes(rowSizeBytes) <= this.#sizeBytesMax * ROW_SHARE_MAX
  }

  /** A row ends with its checksum, which is another for each name and content (row.ts): it costs nothing to find. */
  #wasSeen(view: Buffer): boolean {
    const checksum = checksumOf(view)
    const place = (checksum & (SEEN_PLACES - 1)) * SEEN_PER_PLACE
    for (let at = place; at < place + SEEN_PER_PLACE; at++) if (this.#seen[at] === checksum) return true
    // In place of any of them: rows that are read in turn would else push each other out for ever.
    this.#seen[place + (this.#seenCount++ % SEEN_PER_PLACE)] = checksum
    return false
  }
}

/** What a row of this size takes when it is kept. */
function keptSizeBytes(rowSizeBytes: number): number {
  return ENTRY_SIZE_BYTES + (1 + VALUES_PER_ROW_BYTE) * rowSizeBytes
}

export function keyOfKnown({ bytes, rowSizeBytes }: Pick<KnownRow<unknown>, 'bytes' | 'rowSizeBytes'>): Buffer {
  return bytes.subarray(rowSizeBytes)
}

/** Whether a view is of the same bytes. lmdb-js gives its whole buffer as the view, with a `length` of its own. */
function isRow(view: Buffer, { bytes, rowSizeBytes }: KnownRow<unknown>): boolean {
  return view.length === rowSizeBytes && view.compare(bytes, 0, rowSizeBytes, 0, rowSizeBytes) === 0
}
