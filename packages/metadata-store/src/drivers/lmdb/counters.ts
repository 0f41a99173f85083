import { invariant } from '@coffer/errors'
import type { BucketId } from '../../records.ts'
import { idBytes } from '../rows/keys.ts'
import { RowReader, type RowWriter } from '../rows/row.ts'
import { readRow } from '../rows/table.ts'
import { KEY_REF_BYTES_MAX } from '../rows/version-row.ts'
import type { Databases } from './environment.ts'

/** Rows of `counters`: 'u' | bucket id: versions, delete markers, bytes. 'k' | key reference: object keys. 'e': the last event's number. Six bytes each. */
const USAGE = 0x75
const KEY_USE = 0x6b
export const EVENT_NUMBER_KEY = Buffer.from('e')

export interface Usage {
  readonly versionCount: number
  readonly deleteMarkerCount: number
  readonly sizeBytes: number
}

export function usageKey(bucketId: BucketId): Buffer {
  return Buffer.concat([Buffer.from([USAGE]), idBytes(bucketId)])
}

export function keyUseKey(keyRef: string): Buffer {
  const reference = Buffer.from(keyRef)
  invariant(reference.length <= KEY_REF_BYTES_MAX, 'a key reference has at most 512 bytes')
  return Buffer.concat([Buffer.from([KEY_USE]), reference])
}

export function encodeCounters(writer: RowWriter, values: readonly number[], key: Buffer): Buffer {
  writer.begin()
  for (const value of values) writer.uint48(value)
  return writer.finish(key)
}

export function readUsage(databases: Databases, bucketId: BucketId): Usage {
  const key = usageKey(bucketId)
  const row = readRow(databases.counters, key)
  if (!row) return { versionCount: 0, deleteMarkerCount: 0, sizeBytes: 0 }
  const reader = new RowReader('counter', row, key)
  const usage = { versionCount: reader.uint48(), deleteMarkerCount: reader.uint48(), sizeBytes: reader.uint48() }
  reader.done()
  return usage
}

export function readKeyUse(databases: Databases, keyRef: string): number {
  return readCount(databases, keyUseKey(keyRef))
}

export function readEventNumber(databases: Databases): number {
  return readCount(databases, EVENT_NUMBER_KEY)
}

function readCount(databases: Databases, key: Buffer): number {
  const row = readRow(databases.counters, key)
  if (!row) return 0
  const reader = new RowReader('counter', row, key)
  const count = reader.uint48()
  reader.done()
  return count
}
