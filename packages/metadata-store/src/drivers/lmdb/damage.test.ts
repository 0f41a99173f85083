import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isCofferError } from '@coffer/errors'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  blobBody,
  bucketFields,
  commitOf,
  newBlobId,
  newWriterId,
  partOf,
  plain,
  query,
  refused,
  uploadOf,
} from '../../contract/fixtures.ts'
import type { BucketRecord } from '../../records.ts'
import { forgetGarbage, isReferenced, listReferencedBlobs, registerWriter } from '../rows/blobs.ts'
import { readBucket } from '../rows/bucket-row.ts'
import { createBucket } from '../rows/buckets.ts'
import { headKey, idBytes, objectName } from '../rows/keys.ts'
import { appendEvents, listEvents } from '../rows/outbox.ts'
import { findRecord, putRecord } from '../rows/records.ts'
import { RowWriter } from '../rows/row.ts'
import { readRow, type Table } from '../rows/table.ts'
import { createUpload, findUpload, listParts, putPart } from '../rows/uploads.ts'
import { listCurrent, listVersions } from '../rows/version-listing.ts'
import { findVersion, KnownHeads } from '../rows/version-reads.ts'
import { commitVersion } from '../rows/version-writes.ts'
import type { WriteBatch } from '../rows/write-batch.ts'
import { readEventNumber, readKeyUse, readUsage } from './counters.ts'
import { DATABASE_NAMES, type DatabaseName, type Environment, openEnvironment } from './environment.ts'
import { LmdbBatch } from './lmdb-batch.ts'

const KEY = 'a/key'

describe('damaged rows', () => {
  let directory: string
  let environment: Environment
  let bucket: BucketRecord
  let uploadId: string
  let blobId: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'coffer-damage-'))
    environment = await openEnvironment({ directory, readOnly: false })
    const writer = newWriterId()
    blobId = newBlobId(writer)
    const upload = uploadOf(KEY)
    uploadId = upload.uploadId
    write((batch) => {
      registerWriter(batch, writer)
      bucket = createBucket(batch, bucketFields('bucket'))
      commitVersion(batch, commitOf(bucket, KEY, { isNull: true, keyRef: 'k/1' }))
      commitVersion(batch, commitOf(bucket, KEY, { keyRef: 'k/1', body: blobBody(blobId) }))
      createUpload(batch, bucket.id, 1, upload)
      putPart(batch, bucket.id, KEY, uploadId, partOf(1, newBlobId(writer)))
      putRecord(batch, 'iam', 'root', Buffer.from('value'), undefined)
      forgetGarbage(batch, [])
      appendEvents(batch, [{ queue: 'queue', payload: Buffer.from('event') }])
    })
    // Until it is kept.
    for (let look = 0; look < 3; look++) lookUp({ withBody: true, known })
  })
  afterEach(async () => {
    await environment.root.close()
    await rm(directory, { recursive: true, force: true })
  })

  const write = (change: (batch: WriteBatch) => void): void => {
    environment.root.transactionSync(() => {
      const batch = new LmdbBatch(environment.databases, new RowWriter())
      change(batch)
      batch.finish()
    })
  }
  const overwrite = (table: Table, key: Buffer, value: Buffer | undefined): void => {
    environment.root.transactionSync(() => void (value ? table.put(key, value) : table.remove(key)))
  }
  const rowsOf = (name: DatabaseName): { key: Buffer; value: Buffer }[] =>
    Array.from(environment.databases[name].getRange({ start: Buffer.from([0]) }), ({ key, value }) => ({ key, value }))

  const known = new KnownHeads()

  const lookUp = (options: Parameters<typeof findVersion>[4]): unknown => {
    try {
      return plain(findVersion(environment.databases, bucket.id, KEY, 'current', options))
    } catch (error) {
      if (isCofferError(error)) return error.code
      throw error
    }
  }

  /** Everything that the store says by exact look-ups, or the code of the first refusal. */
  const readAll = (): unknown => {
    const { databases } = environment
    environment.root.resetReadTxn()
    // What was read before, sound, hides nothing.
    expect(lookUp({ withBody: true, known })).toEqual(lookUp({ withBody: true }))
    try {
      return plain([
        readBucket(databases, 'bucket'),
        readUsage(databases, { bucketId: bucket.id }),
        readUsage(databases, { accountId: bucket.ownerAccountId }),
        readKeyUse(databases, 'k/1'),
        findVersion(databases, bucket.id, KEY, 'current', { withBody: true }),
        findVersion(databases, bucket.id, KEY, 'null', { withBody: true }),
        findUpload(databases, bucket.id, KEY, uploadId),
        listParts(databases, { bucketId: bucket.id, key: KEY, uploadId, afterPartNumber: 0, limit: 10 }),
        isReferenced(databases, blobId),
        listReferencedBlobs(databases, '', 10),
        findRecord(databases, 'iam', 'root'),
        listEvents(databases, { queue: 'queue', afterId: '', limit: 10 }),
        readEventNumber(databases),
      ])
    } catch (error) {
      if (isCofferError(error)) return error.code
      throw error
    }
  }

  const READ_ROWS = DATABASE_NAMES.filter(
    (name) => !['bucket-ids', 'buckets-by-owner', 'garbage', 'writers', 'bodies', 'key-use'].includes(name),
  )
  test.each(READ_ROWS)('any byte changed in any row of %s is found out', (name) => {
    const table = environment.databases[name]
    const rows = rowsOf(name)
    expect(rows.length).toBeGreaterThan(0)
    for (const { key, value } of rows) {
      for (let index = 0; index < value.length; index += 1) {
        const changed = Buffer.from(value)
        changed[index] = (changed[index] as number) ^ (1 << (index % 8))
        overwrite(table, key, changed)
        expect(readAll()).toBe('META_RECORD_DAMAGED')
      }
      for (const size of [1, 4, value.length - 1]) {
        overwrite(table, key, value.subarray(0, size))
        expect(readAll()).toBe('META_RECORD_DAMAGED')
      }
      overwrite(table, key, value)
    }
    expect(readAll()).not.toBe('META_RECORD_DAMAGED')
  })

  test('any byte changed in a list of blobs is found out, and so is a body that is gone', () => {
    const versionId = listVersions(environment.databases, query(bucket)).entries[0]?.versionId ?? ''
    const key = idBytes(versionId)
    const value = readRow(environment.databases.bodies, key) as Buffer
    for (let index = 0; index < value.length; index += 1) {
      const changed = Buffer.from(value)
      changed[index] = (changed[index] as number) ^ 0x10
      overwrite(environment.databases.bodies, key, changed)
      expect(readAll()).toBe('META_RECORD_DAMAGED')
    }
    overwrite(environment.databases.bodies, key, undefined)
    expect(readAll()).toBe('META_RECORD_DAMAGED')
  })

  test('an older row put back, or a row taken away, never shows an older version and never hides the object', () => {
    const { current, versions } = environment.databases
    const name = objectName(bucket.id, KEY)
    const head = headKey(name)
    const old = { current: readRow(current, name), head: readRow(versions, head) }
    write((batch) => void commitVersion(batch, commitOf(bucket, KEY)))
    const fresh = { current: readRow(current, name), head: readRow(versions, head) }
    const attempts = [
      [old.current, fresh.head],
      [fresh.current, old.head],
      [undefined, fresh.head],
      [fresh.current, undefined],
    ]
    for (const [currentRow, headRow] of attempts) {
      overwrite(current, name, currentRow)
      overwrite(versions, head, headRow)
      expect(readAll()).toBe('META_RECORD_DAMAGED')
    }
  })

  test('rows exchanged between two objects are found out', () => {
    write((batch) => void commitVersion(batch, commitOf(bucket, 'other')))
    const { current, versions } = environment.databases
    const [one, two] = [objectName(bucket.id, KEY), objectName(bucket.id, 'other')]
    const rows = [
      readRow(current, one),
      readRow(current, two),
      readRow(versions, headKey(one)),
      readRow(versions, headKey(two)),
    ]
    overwrite(current, one, rows[1])
    overwrite(current, two, rows[0])
    overwrite(versions, headKey(one), rows[3])
    overwrite(versions, headKey(two), rows[2])
    expect(readAll()).toBe('META_RECORD_DAMAGED')
  })

  test('one damaged row does not fail a listing: the object is shown with what else is known', async () => {
    const { databases } = environment
    write((batch) => void commitVersion(batch, commitOf(bucket, 'b')))
    const whole = { current: listCurrent(databases, query(bucket)), versions: listVersions(databases, query(bucket)) }
    for (const { key, value } of rowsOf('current')) {
      overwrite(databases.current, key, Buffer.concat([value, value]))
      environment.root.resetReadTxn()
      expect(plain(listCurrent(databases, query(bucket)))).toEqual(plain(whole.current))
      overwrite(databases.current, key, value)
    }
    for (const [index, { key, value }] of rowsOf('versions').entries()) {
      overwrite(databases.versions, key, Buffer.concat([value, value]))
      environment.root.resetReadTxn()
      const { entries } = listVersions(databases, query(bucket))
      const expected = whole.versions.entries[index]
      expect(entries[index]).toMatchObject({
        key: expected?.key,
        versionId: expected?.versionId,
        isLatest: expected?.isLatest,
      })
      expect(plain(entries.toSpliced(index, 1))).toEqual(plain(whole.versions.entries.toSpliced(index, 1)))
      overwrite(databases.versions, key, value)
    }
  })

  test('a commit on a damaged object is refused and changes nothing', async () => {
    const head = headKey(objectName(bucket.id, KEY))
    const value = readRow(environment.databases.versions, head) as Buffer
    overwrite(environment.databases.versions, head, Buffer.concat([value, value]))
    const usage = readUsage(environment.databases, { bucketId: bucket.id })
    const commit = async () => write((batch) => void commitVersion(batch, commitOf(bucket, KEY)))
    await refused(commit(), 'META_RECORD_DAMAGED')
    environment.root.resetReadTxn()
    expect(readUsage(environment.databases, { bucketId: bucket.id })).toEqual(usage)
  })
})
