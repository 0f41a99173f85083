import { invariant } from '@coffer/errors'
import type { Usage, UsageScope } from '../../records.ts'
import { idBytes, nameKey } from '../rows/keys.ts'
import { RowReader, type RowWriter } from '../rows/row.ts'
import { readRow } from '../rows/table.ts'
import { KEY_REF_BYTES_MAX } from '../rows/version-row.ts'
import type { Databases } from './environment.ts'

/**
 * Rows of `counters`, six bytes each value. 'u' | bucket id and 'a' | account id: versions, delete markers, bytes, bytes of parts
 * (stores of format 1 had no 'a', and no parts). 'k' | key reference: object keys. 'e': the last event's number.
 */
const USAGE = 0x75
const ACCOUNT_USAGE = 0x61
const KEY_USE = 0x6b
/** Row format of a usage that counts parts. */
const WITH_PARTS = 2
export const EVENT_NUMBER_KEY = Buffer.from('e')

export function usageKey(scope: UsageScope): Buffer {
  return 'bucketId' in scope
    ? Buffer.concat([Buffer.from([USAGE]), idBytes(scope.bucketId)])
    : Buffer.concat([Buffer.from([ACCOUNT_USAGE]), nameKey(scope.accountId)])
}

/** Whose usage a row of `counters` is; undefined: it counts something else. */
export function usageScopeOf(key: Buffer): UsageScope | undefined {
  if (key[0] === USAGE) return { bucketId: key.toString('hex', 1) }
  return key[0] === ACCOUNT_USAGE ? { accountId: key.toString('utf8', 1) } : undefined
}

export function keyUseKey(keyRef: string): Buffer {
  const reference = Buffer.from(keyRef)
  invariant(reference.length <= KEY_REF_BYTES_MAX, 'a key reference has at most 512 bytes')
  return Buffer.concat([Buffer.from([KEY_USE]), reference])
}

export function encodeCount(writer: RowWriter, count: number, key: Buffer): Buffer {
  return writer.begin().uint48(count).finish(key)
}

export function encodeUsage(writer: RowWriter, usage: Usage, key: Buffer): Buffer {
  return writer
    .begin(WITH_PARTS)
    .uint48(usage.versionCount)
    .uint48(usage.deleteMarkerCount)
    .uint48(usage.sizeBytes)
    .uint48(usage.partSizeBytes)
    .finish(key)
}

export function readUsage(databases: Databases, scope: UsageScope): Usage {
  const key = usageKey(scope)
  const row = readRow(databases.counters, key)
  if (!row) return { versionCount: 0, deleteMarkerCount: 0, sizeBytes: 0, partSizeBytes: 0 }
  const reader = new RowReader('counter', row, key, WITH_PARTS)
  const usage = {
    versionCount: reader.uint48(),
    deleteMarkerCount: reader.uint48(),
    sizeBytes: reader.uint48(),
    partSizeBytes: reader.format === WITH_PARTS ? reader.uint48() : 0,
  }
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
