import type { KeyUseEntry } from '../../metadata-store.ts'
import type { VersionId } from '../../records.ts'
import type { Databases } from './databases.ts'
import { ID_BYTES, idBytes, justAfter } from './keys.ts'
import { scan } from './table.ts'
import type { WriteBatch } from './write-batch.ts'

/*
 * Row of `key-use`: key reference | 00 | bucket id | object key | 00 | version id; value: 1, or 2 for an upload in progress,
 * whose id has the form of a version id. Only references that name a master key have rows: what a bucket key seals need not be
 * found to be rewrapped, and costs no row.
 */
const INDEXED = 'kms:'
const VERSION_MARK = Buffer.from([1])
const UPLOAD_MARK = Buffer.from([2])
const NUL = Buffer.from([0])

/**
 * What a version's, or an upload's, use of its key adds to the counter and the index. The counter is read now, before the first write; `add`
 * and `remove` then can't fail. A version without a key (SSE-C, a delete marker) counts for none.
 */
export function planKeyUse(
  batch: WriteBatch,
  keyRef: string,
  name: Buffer,
  versionId: VersionId,
  holder: 'version' | 'upload' = 'version',
) {
  const use = keyRef === '' ? undefined : batch.counter(keyRef)
  const row = keyRef.startsWith(INDEXED) ? rowKey(keyRef, name, versionId) : undefined
  const table = batch.databases['key-use']
  return {
    add() {
      use?.add(1)
      if (row) batch.put(table, row, holder === 'version' ? VERSION_MARK : UPLOAD_MARK)
    },
    remove() {
      use?.add(-1)
      if (row) batch.remove(table, row)
    },
  }
}

/** In the order of bucket id, key and version id, strictly after `after`. */
export function listKeyUse(
  databases: Databases,
  { keyRef, after, limit }: { keyRef: string; after?: KeyUseEntry | undefined; limit: number },
): readonly KeyUseEntry[] {
  const prefix = Buffer.concat([Buffer.from(keyRef), NUL])
  const start = after ? justAfter(Buffer.concat([prefix, entryKey(after)])) : prefix
  const entries: KeyUseEntry[] = []
  for (const { key, value } of scan(databases['key-use'], { prefix, start, limit })) {
    const place = entryOf(key, prefix.length)
    entries.push(value[0] === UPLOAD_MARK[0] ? { ...place, isUpload: true } : place)
  }
  return entries
}

function rowKey(keyRef: string, name: Buffer, versionId: VersionId): Buffer {
  return Buffer.concat([Buffer.from(keyRef), NUL, name, NUL, idBytes(versionId)])
}

function entryKey({ bucketId, key, versionId }: KeyUseEntry): Buffer {
  return Buffer.concat([idBytes(bucketId), Buffer.from(key), NUL, idBytes(versionId)])
}

function entryOf(row: Buffer, start: number): KeyUseEntry {
  const keyEnd = row.length - ID_BYTES - NUL.length
  return {
    bucketId: row.toString('hex', start, start + ID_BYTES),
    key: row.toString('utf8', start + ID_BYTES, keyEnd),
    versionId: row.toString('hex', keyEnd + NUL.length),
  }
}
