import { createHash, type Hash } from 'node:crypto'
import { metadataError } from '../errors.ts'
import type { Usage, UsageScope } from '../records.ts'
import { DATABASE_NAMES, type DatabaseName } from './rows/databases.ts'
import type { Row } from './rows/table.ts'

/** What a driver keeps beside rows. */
export interface StoreCounters {
  readonly usage: readonly { readonly scope: UsageScope; readonly usage: Usage }[]
  readonly keyUse: readonly { readonly keyRef: string; readonly count: number }[]
  readonly eventNumber: number
}

/** A store as its rows, for moving it. Nobody else may have it open. */
export interface RowStore {
  /** In order, strictly after `after`. */
  read(table: DatabaseName, after: Buffer | undefined, limit: number): Promise<readonly Row[]>
  /** On stable storage when it resolves. */
  add(table: DatabaseName, rows: readonly Row[]): Promise<void>
  lastKey(table: DatabaseName): Promise<Buffer | undefined>
  readCounters(): Promise<StoreCounters>
  writeCounters(counters: StoreCounters): Promise<void>
  close(): Promise<void>
}

export interface TransferReport {
  readonly table: DatabaseName
  readonly rowCount: number
  /** SHA-256 over all keys and values of the table, the same on both sides. */
  readonly digest: string
}

const ROWS_PER_STEP = 1_000

/**
 * Copies all rows in the order of their keys, so that what is there already says where an earlier run ended; then reads both
 * sides again and compares them. META_TRANSFER_FAILED if they differ.
 */
export async function transferRows(
  source: RowStore,
  target: RowStore,
  onProgress: (table: DatabaseName, rowCount: number) => void,
): Promise<readonly TransferReport[]> {
  for (const table of DATABASE_NAMES) {
    let copied = 0
    let after = await target.lastKey(table)
    for (;;) {
      const rows = await source.read(table, after, ROWS_PER_STEP)
      if (rows.length > 0) await target.add(table, rows)
      copied += rows.length
      onProgress(table, copied)
      if (rows.length < ROWS_PER_STEP) break
      after = rows.at(-1)?.key
    }
  }
  await target.writeCounters(await source.readCounters())
  const reports: TransferReport[] = []
  for (const table of DATABASE_NAMES) {
    const [here, there] = [await digestOf(source, table), await digestOf(target, table)]
    if (here.digest !== there.digest) throw metadataError('META_TRANSFER_FAILED', { table })
    reports.push({ table, ...here })
  }
  return reports
}

async function digestOf(store: RowStore, table: DatabaseName): Promise<{ rowCount: number; digest: string }> {
  const hash = createHash('sha256')
  let rowCount = 0
  let after: Buffer | undefined
  for (;;) {
    const rows = await store.read(table, after, ROWS_PER_STEP)
    for (const { key, value } of rows) for (const bytes of [key, value]) addField(hash, bytes)
    rowCount += rows.length
    if (rows.length < ROWS_PER_STEP) return { rowCount, digest: hash.digest('hex') }
    after = rows.at(-1)?.key
  }
}

function addField(hash: Hash, bytes: Buffer): void {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(bytes.length)
  hash.update(size).update(bytes)
}
