import { invariant } from '@coffer/errors'
import {
  afterPrefix,
  ID_BYTES,
  idBytes,
  justAfter,
  OBJECT_KEY_BYTES_MAX,
  objectKeyIn,
  objectNameBytes,
} from './keys.ts'
import type { Row } from './table.ts'

export const PAGE_ENTRIES_MAX = 1_000

/** Rows of one table, from `start` on, whose keys begin with `prefix`. */
export type RowSource = (start: Buffer, prefix: Buffer) => Iterable<Row>

export interface PageQuery {
  readonly bucketId: string
  readonly prefix: string
  readonly delimiter: string
  readonly afterKey: string
  readonly limit: number
}

export interface Page<Entry> {
  readonly entries: readonly Entry[]
  readonly commonPrefixes: readonly string[]
  /** The last thing shown, if more follows. */
  readonly last?: { readonly entry: Entry } | { readonly commonPrefix: string }
}

/** Name of the row that a page's rows and keys are bound to: bucket id and object key. */
export type EntryOf<Entry> = (row: Row, key: string, name: Buffer) => Entry

/**
 * One page of a bucket in byte order of the keys. A common prefix is sought past with one step into the tree, whatever it
 * holds. `resumeKey`: where to begin, if the query's `afterKey` does not say (a row in the middle of a key).
 */
export function readPage<Entry>(
  source: RowSource,
  query: PageQuery,
  entryOf: EntryOf<Entry>,
  resumeKey?: Buffer,
): Page<Entry> {
  const { prefix, delimiter, limit } = query
  invariant(Number.isInteger(limit) && limit >= 0 && limit <= PAGE_ENTRIES_MAX, 'a page has at most 1,000 entries')
  const bucket = idBytes(query.bucketId)
  const scope = Buffer.concat([bucket, Buffer.from(prefix)])
  const entries: Entry[] = []
  const commonPrefixes: string[] = []
  if (limit === 0 || scope.length > ID_BYTES + OBJECT_KEY_BYTES_MAX) return { entries, commonPrefixes }
  let last: Page<Entry>['last']
  let start: Buffer | undefined = later(scope, resumeKey ?? startOf(query, bucket))
  while (start) {
    let rolledUp: string | undefined
    for (const row of source(start, scope)) {
      if (entries.length + commonPrefixes.length === limit) return { entries, commonPrefixes, ...(last && { last }) }
      const nameBytes = objectNameBytes(row.key)
      const key = objectKeyIn(row.key, nameBytes)
      rolledUp = commonPrefixOf(key, prefix, delimiter)
      if (rolledUp !== undefined) break
      const entry = entryOf(row, key, row.key.subarray(0, nameBytes))
      entries.push(entry)
      last = { entry }
    }
    if (rolledUp === undefined) break
    commonPrefixes.push(rolledUp)
    last = { commonPrefix: rolledUp }
    start = afterPrefix(Buffer.concat([bucket, Buffer.from(rolledUp)]))
  }
  return { entries, commonPrefixes }
}

/** Where a page that goes on after `afterKey` begins: after all rows of that key, or of that common prefix. */
function startOf({ prefix, delimiter, afterKey }: PageQuery, bucket: Buffer): Buffer {
  if (afterKey === '') return bucket
  const wholeKey = Buffer.from(afterKey)
  // No key is longer, so that what is cut off changes nothing: keys after the cut one are after the whole one.
  const after = Buffer.concat([bucket, wholeKey.subarray(0, OBJECT_KEY_BYTES_MAX)])
  const isCommonPrefix =
    delimiter !== '' &&
    afterKey.length >= prefix.length + delimiter.length &&
    afterKey.startsWith(prefix) &&
    afterKey.endsWith(delimiter)
  if (isCommonPrefix && wholeKey.length <= OBJECT_KEY_BYTES_MAX) return afterPrefix(after) ?? after
  // Rows of the key itself go on with a NUL; the next key goes on with more than that.
  return Buffer.concat([after, Buffer.from([1])])
}

function commonPrefixOf(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === '') return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at === -1 ? undefined : key.slice(0, at + delimiter.length)
}

function later(a: Buffer, b: Buffer): Buffer {
  return Buffer.compare(a, b) >= 0 ? a : b
}

/** Where to go on in the middle of a key: after this row. */
export function resumeAfter(rowKey: Buffer): Buffer {
  return justAfter(rowKey)
}
