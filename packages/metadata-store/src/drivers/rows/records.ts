import { invariant } from '@coffer/errors'
import { metadataError } from '../../errors.ts'
import type { RecordChange } from '../../metadata-store.ts'
import type { TableName, TableRecord } from '../../records.ts'
import type { Databases } from './databases.ts'
import { justAfter, nameKey } from './keys.ts'
import type { KnownRows } from './known-rows.ts'
import { RowReader } from './row.ts'
import { readRow, scan } from './table.ts'
import type { WriteBatch } from './write-batch.ts'

/** Rows of `records`: key: number of the table (1), id; value: revision (4), value to the end. Numbers are never reused. */
const TABLE_NUMBERS: Readonly<Record<TableName | 'quotas', number>> = {
  iam: 1,
  keys: 2,
  'bucket-keys': 3,
  jobs: 4,
  events: 5,
  store: 6,
  quotas: 7,
}

export function findRecord(databases: Databases, table: TableName, id: string): TableRecord | undefined {
  const key = recordKey(table, id)
  const row = readRow(databases.records, key)
  return row && decodeRecord(row, key)
}

/** The same, decoded once as long as it does not change. */
export function findKnownRecord(
  known: KnownRows<TableRecord>,
  databases: Databases,
  table: TableName,
  id: string,
): TableRecord | undefined {
  return known.find(databases.records, `${table}/${id}`, () => recordKey(table, id), decodeRecord)?.value
}

export function putRecord(
  batch: WriteBatch,
  table: TableName,
  id: string,
  value: Uint8Array,
  expectedRevision: number | undefined,
): TableRecord {
  const { records } = batch.databases
  const revision = findRecord(batch.databases, table, id)?.revision ?? 0
  if (expectedRevision !== undefined && expectedRevision !== revision) {
    throw metadataError('META_RECORD_CHANGED', { table, id, revision })
  }
  const key = recordKey(table, id)
  const record = { id, value, revision: revision + 1 }
  batch.put(records, key, batch.rows.begin().uint32(record.revision).bytes(value).finish(key))
  return record
}

export function deleteRecord(batch: WriteBatch, table: TableName, id: string): void {
  batch.remove(batch.databases.records, recordKey(table, id))
}

/** Each id at most once: all is checked before the first write. */
export function changeRecords(batch: WriteBatch, table: TableName, changes: readonly RecordChange[]): void {
  invariant(new Set(changes.map(({ id }) => id)).size === changes.length, 'a record is changed once in one write')
  for (const { id, expectedRevision } of changes) {
    const revision = findRecord(batch.databases, table, id)?.revision ?? 0
    if (expectedRevision !== undefined && expectedRevision !== revision) {
      throw metadataError('META_RECORD_CHANGED', { table, id, revision })
    }
  }
  for (const { id, value } of changes) {
    if (value === undefined) deleteRecord(batch, table, id)
    else putRecord(batch, table, id, value, undefined)
  }
}

export function listRecords(
  databases: Databases,
  table: TableName,
  query: { prefix: string; afterId: string; limit: number },
): readonly TableRecord[] {
  const prefix = Buffer.concat([tablePrefix(table), Buffer.from(query.prefix)])
  const after = query.afterId === '' ? prefix : justAfter(recordKey(table, query.afterId))
  const start = Buffer.compare(after, prefix) > 0 ? after : prefix
  const rows = scan(databases.records, { prefix, start, limit: query.limit })
  return Array.from(rows, ({ key, value }) => decodeRecord(value, key))
}

function decodeRecord(row: Buffer, key: Buffer): TableRecord {
  const reader = new RowReader('record', row, key)
  const revision = reader.uint32()
  return { id: key.toString('utf8', 1), value: reader.rest(), revision }
}

export function recordKey(table: TableName | 'quotas', id: string): Buffer {
  return Buffer.concat([tablePrefix(table), nameKey(id)])
}

function tablePrefix(table: TableName | 'quotas'): Buffer {
  return Buffer.from([TABLE_NUMBERS[table]])
}
