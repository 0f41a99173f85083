import type { Usage } from '../../records.ts'
import { readBucketById } from '../rows/bucket-row.ts'
import { damaged, RowWriter } from '../rows/row.ts'
import { scan } from '../rows/table.ts'
import { decodePart } from '../rows/upload-row.ts'
import { encodeUsage, readUsage, usageKey } from './counters.ts'
import type { Databases } from './environment.ts'

const FIRST_KEY = Buffer.from([0])

/** What stores of format 1 did not count: the parts of uploads in progress, and accounts. Within a transaction. */
export function countPartsAndAccounts(databases: Databases): void {
  const rows = new RowWriter()
  const accounts = new Map<string, Usage>()
  for (const key of Array.from(databases['bucket-ids'].getKeys({ start: FIRST_KEY }))) {
    const bucketId = key.toString('hex')
    const bucket = readBucketById(databases, bucketId)
    if (!bucket) throw damaged('bucket', 'missing')
    const usage = { ...readUsage(databases, { bucketId }), partSizeBytes: sizeOfParts(databases, key) }
    const usageRow = usageKey({ bucketId })
    databases.counters.put(usageRow, encodeUsage(rows, usage, usageRow))
    const account = accounts.get(bucket.ownerAccountId)
    accounts.set(bucket.ownerAccountId, account ? sumOf(account, usage) : usage)
  }
  for (const [accountId, usage] of accounts) {
    const key = usageKey({ accountId })
    databases.counters.put(key, encodeUsage(rows, usage, key))
  }
}

function sizeOfParts(databases: Databases, bucket: Buffer): number {
  let sizeBytes = 0
  for (const { key, value } of scan(databases.parts, { prefix: bucket, start: bucket })) {
    sizeBytes += decodePart(value, key).sizeBytes
  }
  return sizeBytes
}

function sumOf(one: Usage, other: Usage): Usage {
  return {
    versionCount: one.versionCount + other.versionCount,
    deleteMarkerCount: one.deleteMarkerCount + other.deleteMarkerCount,
    sizeBytes: one.sizeBytes + other.sizeBytes,
    partSizeBytes: one.partSizeBytes + other.partSizeBytes,
  }
}
