import type { Usage, UsageScope } from '../../records.ts'
import { DATABASE_NAMES } from '../rows/databases.ts'
import { idBytes } from '../rows/keys.ts'
import { quotaKey } from '../rows/quotas.ts'
import type { Row } from '../rows/table.ts'
import { byteaArray } from './bytea-array.ts'
import type { Connection, ResultRow } from './connection.ts'
import type { LoadedTables } from './loaded-rows.ts'
import type { Needs, RangeNeed } from './needs.ts'
import { EVENT_NUMBERS_PER_BLOCK, type Statements } from './statements.ts'

/** How a listing rolls names up; then its ranges are read by seeks. */
export interface RollUp {
  readonly delimiter: Buffer
  /** Bytes of a row's key before the place where the delimiter is looked for. */
  readonly scopeBytes: number
}

/** What a write transaction knows beside rows. */
export interface LoadedState {
  readonly tables: LoadedTables
  /** Undefined: not known; null: no such bucket. */
  readonly revisions: Map<string, number | null>
  /** Owners of the buckets whose revisions are known. */
  readonly accounts: Map<string, string>
  readonly fenced: Set<string>
  /** Usage of what has a quota, by the names of its scopes, without what this transaction adds. */
  readonly usage: Map<string, Usage>
  /** First numbers of the blocks that this transaction has taken from the sequence. */
  readonly eventBlocks: number[]
}

/** Loads rows under locks, in an order that is the same in every transaction: counters, then tables. All in one round trip. */
export async function loadLocked(
  connection: Connection,
  statements: Statements,
  needs: Needs,
  state: LoadedState,
  shard: number,
): Promise<void> {
  const work: Promise<void>[] = []
  if (needs.buckets.size > 0) {
    const ids = [...needs.buckets].sort()
    const asked = connection.query(statements.lockUsage(), [byteaArray(ids.map(idBytes)), shard])
    work.push(
      asked.then(({ rows }) => {
        for (const id of ids) state.revisions.set(id, null)
        for (const row of rows) {
          const id = bytesOf(row.bucket_id).toString('hex')
          state.revisions.set(id, Number(row.revision))
          state.accounts.set(id, bytesOf(row.account_id).toString())
        }
      }),
    )
  }
  if (needs.quotas.size > 0) {
    const ids = [...needs.quotas].sort()
    const asked = connection.query(statements.lockQuotas(), [byteaArray(ids.map(idBytes)), shard])
    work.push(asked.then(({ rows }) => state.tables.records.setRows(quotaKeysOf(ids, state), rows.map(rowOf))))
  }
  for (const id of [...needs.fences].sort()) {
    const asked = connection.query(statements.fenceBucket(), [idBytes(id)])
    work.push(asked.then(() => void state.fenced.add(id)))
  }
  for (const table of DATABASE_NAMES) {
    const keys = needs.rows.get(table)
    if (!keys) continue
    const asked = connection.query(statements.lockRows(table), [byteaArray([...keys.values()])])
    work.push(asked.then(({ rows }) => state.tables[table].setRows(keys.values(), rows.map(rowOf))))
  }
  for (const range of needs.ranges) work.push(loadRange(connection, statements, range, state.tables, true))
  // After the locks of their quotas: a statement sees what was committed before it begins.
  for (const [name, scope] of needs.usage) {
    const asked = connection.query(statements.sumUsage(scope), [scopeBytes(scope)])
    work.push(asked.then(({ rows }) => void state.usage.set(name, usageOf(rows[0]))))
  }
  // After the locks of the rows that the events tell of: so their numbers ascend.
  if (needs.eventNumbers) {
    const asked = connection.query(statements.nextEventBlock())
    work.push(asked.then(({ rows }) => void state.eventBlocks.push(Number(rows[0]?.block) * EVENT_NUMBERS_PER_BLOCK)))
  }
  await allOf(work)
}

/** Rows that are known now, be they there or not: of buckets whose accounts are known, as they are in every commit. */
function quotaKeysOf(bucketIds: readonly string[], state: LoadedState): readonly Buffer[] {
  return bucketIds.flatMap((bucketId) => {
    const accountId = state.accounts.get(bucketId)
    return accountId === undefined ? [] : [quotaKey({ bucketId }), quotaKey({ accountId })]
  })
}

/** How the tables of counters name a scope. */
export function scopeBytes(scope: UsageScope): Buffer {
  return 'bucketId' in scope ? idBytes(scope.bucketId) : Buffer.from(scope.accountId)
}

/** A row of sums. Shards count for themselves: one of them can be below zero. */
export function usageOf(row: ResultRow | undefined): Usage {
  const countOf = (value: unknown) => Math.max(0, Number(value ?? 0))
  return {
    versionCount: countOf(row?.versions),
    deleteMarkerCount: countOf(row?.markers),
    sizeBytes: countOf(row?.bytes),
    partSizeBytes: countOf(row?.part_bytes),
  }
}

/** Loads rows without locks, in as few statements as there can be. */
export async function loadRead(
  connection: Connection,
  statements: Statements,
  needs: Needs,
  tables: LoadedTables,
  rollUp: RollUp | undefined,
): Promise<void> {
  const work = needs.ranges.map((range) =>
    rollUp
      ? loadLoosely(connection, statements, range, tables, rollUp)
      : loadRange(connection, statements, range, tables, false),
  )
  const names = DATABASE_NAMES.filter((name) => needs.rows.has(name))
  if (names.length > 0) {
    const heads = needs.bodiesOfHeads
    const keys = names.map((name) => byteaArray([...(needs.rows.get(name)?.values() ?? [])]))
    const values = heads.length > 0 ? [...keys, byteaArray(heads)] : keys
    const asked = connection.query(statements.readRows(names, heads.length > 0), values)
    work.push(
      asked.then(({ rows }) => {
        const found = Map.groupBy(rows, ({ name }) => String(name))
        for (const name of names)
          tables[name].setRows(needs.rows.get(name)?.values() ?? [], (found.get(name) ?? []).map(rowOf))
        if (!needs.rows.has('bodies')) tables.bodies.setRows([], (found.get('bodies') ?? []).map(rowOf))
      }),
    )
  }
  await allOf(work)
}

/** Waits for all of them, so that nothing is on its way when the first failure is told. */
export async function allOf(work: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((outcome) => outcome.status === 'rejected')
  if (failed) throw failed.reason
}

async function loadRange(
  connection: Connection,
  statements: Statements,
  range: RangeNeed,
  tables: LoadedTables,
  lock: boolean,
): Promise<void> {
  const { table, start, end, limit } = range
  const statement = statements.readRange(table, { hasEnd: end !== undefined, lock })
  const { rows } = await connection.query(statement, end ? [start, limit, end] : [start, limit])
  tables[table].setRange(range, rows.map(rowOf))
}

/** The rows that a page shows or rolls up; what lies below a common prefix is known not to be needed. */
async function loadLoosely(
  connection: Connection,
  statements: Statements,
  range: RangeNeed,
  tables: LoadedTables,
  { delimiter, scopeBytes }: RollUp,
): Promise<void> {
  const { table, start, limit } = range
  const end = range.end ?? Buffer.alloc(64, 0xff)
  const afterDelimiter = Buffer.from([(delimiter.at(-1) ?? 0) + 1])
  const values = [start, end, limit, delimiter, afterDelimiter, scopeBytes + 1]
  const { rows } = await connection.query(statements.looseScan(table), values)
  let segment: Row[] = []
  let segmentStart = start
  for (const row of rows) {
    segment.push(rowOf(row))
    if (row.skip === null) continue
    const skip = bytesOf(row.skip)
    tables[table].addSegment(segmentStart, justAfterRow(row), segment)
    segment = []
    segmentStart = skip
  }
  if (rows.length < limit) tables[table].addSegment(segmentStart, range.end, segment)
  else if (segment.length > 0) tables[table].addSegment(segmentStart, justAfterRow(rows.at(-1)), segment)
}

function justAfterRow(row: ResultRow | undefined): Buffer {
  return Buffer.concat([bytesOf(row?.key), Buffer.from([0])])
}

function rowOf(row: ResultRow): Row {
  return { key: bytesOf(row.key), value: bytesOf(row.value) }
}

function bytesOf(value: unknown): Buffer {
  if (!Buffer.isBuffer(value)) throw new TypeError('the server answered something else than bytes')
  return value
}
