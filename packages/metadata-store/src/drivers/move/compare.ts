import { createHash } from 'node:crypto'
import { metadataError } from '../../errors.ts'
import { DATABASE_NAMES, type DatabaseName } from '../rows/databases.ts'
import type { Row } from '../rows/table.ts'
import type { MoveSource, MoveTarget } from './move-store.ts'
import { PageSize } from './page-size.ts'

export interface ComparedTable {
  readonly table: DatabaseName
  readonly rowCount: number
  /** SHA-256 over all keys and values, as they were read. */
  readonly digest?: string
}

interface Comparison {
  /** Now and then, so that the journal stays short. */
  readonly replay: () => Promise<unknown>
  readonly onProgress: (table: DatabaseName, rowCount: number) => void
}

/** META_TRANSFER_FAILED if a row is not the same on both sides although no journal entry tells why. */
export async function compareTables(
  source: MoveSource,
  target: MoveTarget,
  comparison: Comparison,
): Promise<readonly ComparedTable[]> {
  const compared: ComparedTable[] = []
  const differing: string[] = []
  for (const table of DATABASE_NAMES) {
    const { count, ...result } = await compareTable(source, target, table, comparison)
    compared.push(result)
    if (count > 0) differing.push(`${table} ${count}`)
  }
  if (differing.length > 0) throw metadataError('META_TRANSFER_FAILED', { differingRows: differing.join(', ') })
  return compared
}

export interface CountedTable extends ComparedTable {
  readonly targetRowCount: number
}

export async function countTables(source: MoveSource, target: MoveTarget): Promise<readonly CountedTable[]> {
  const counted: CountedTable[] = []
  for (const table of DATABASE_NAMES) {
    const rowCount = await source.countRows(table)
    counted.push({ table, rowCount, targetRowCount: await target.countRows(table) })
  }
  return counted
}

/** META_TRANSFER_FAILED. For what was counted while nobody wrote. */
export function requireSameCounts(counted: readonly CountedTable[]): readonly ComparedTable[] {
  const differing = counted.filter(({ rowCount, targetRowCount }) => rowCount !== targetRowCount)
  if (differing.length > 0) {
    const rows = differing.map(({ table, rowCount, targetRowCount }) => `${table} ${rowCount} and ${targetRowCount}`)
    throw metadataError('META_TRANSFER_FAILED', { differingCounts: rows.join(', ') })
  }
  return counted.map(({ table, rowCount }) => ({ table, rowCount }))
}

async function compareTable(
  source: MoveSource,
  target: MoveTarget,
  table: DatabaseName,
  { replay, onProgress }: Comparison,
): Promise<ComparedTable & { readonly count: number }> {
  const page = new PageSize()
  const hash = createHash('sha256')
  let after: Buffer | undefined
  let rowCount = 0
  let count = 0
  for (;;) {
    await replay()
    const limit = page.rows
    const here = await source.read(table, after, limit)
    page.was(here)
    const end = here.length === limit ? here.at(-1)?.key : undefined
    const suspects = differenceOf(here, await readTo(target, table, { after, end, limit }))
    if (suspects.length > 0) count += await countDiffering(source, target, table, suspects)
    for (const { key, value } of here) hash.update(sizesOf(key, value)).update(key).update(value)
    rowCount += here.length
    onProgress(table, rowCount)
    if (end === undefined) return { table, rowCount, digest: hash.digest('hex'), count }
    after = end
  }
}

/** Rows after `after`, up to `end` and with it. */
async function readTo(
  target: MoveTarget,
  table: DatabaseName,
  { after, end, limit }: { after: Buffer | undefined; end: Buffer | undefined; limit: number },
): Promise<readonly Row[]> {
  const found: Row[] = []
  for (let from = after; ; from = found.at(-1)?.key) {
    const rows = await target.read(table, from, limit)
    const within = end ? rows.filter(({ key }) => Buffer.compare(key, end) <= 0) : rows
    found.push(...within)
    if (within.length < limit) return found
  }
}

/** Keys of rows that are on one side only, or not the same. */
function differenceOf(here: readonly Row[], there: readonly Row[]): readonly Buffer[] {
  const others = new Map(there.map(({ key, value }) => [key.toString('latin1'), { key, value }]))
  const suspects: Buffer[] = []
  for (const { key, value } of here) {
    const name = key.toString('latin1')
    if (!others.get(name)?.value.equals(value)) suspects.push(key)
    others.delete(name)
  }
  return [...suspects, ...[...others.values()].map(({ key }) => key)]
}

/** Of rows that were not the same, read at two times: those that differ at one time, and that no journal entry names. */
async function countDiffering(
  source: MoveSource,
  target: MoveTarget,
  table: DatabaseName,
  keys: readonly Buffer[],
): Promise<number> {
  const here = await source.inspect(table, keys)
  const there = await target.readKeys(table, keys)
  return here.filter(({ value, isPending }, index) => {
    const other = there[index]?.value
    const isSame = value === undefined || other === undefined ? value === other : value.equals(other)
    return !isSame && !isPending
  }).length
}

function sizesOf(key: Buffer, value: Buffer): Buffer {
  const sizes = Buffer.alloc(8)
  sizes.writeUInt32BE(key.length, 0)
  sizes.writeUInt32BE(value.length, 4)
  return sizes
}
