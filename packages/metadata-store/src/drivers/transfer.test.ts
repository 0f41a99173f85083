import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { commitOf, newBucket, refused } from '../contract/fixtures.ts'
import { openLmdbRows } from './lmdb/lmdb-rows.ts'
import { openLmdbStore } from './lmdb.ts'
import { type RowStore, transferRows } from './transfer.ts'

const VERSIONS = 2_500

describe('a store that is moved', () => {
  let directory: string
  let source: RowStore
  let bucketId: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'coffer-transfer-'))
    const store = await openLmdbStore({ directory: join(directory, 'source') })
    const bucket = await newBucket(store)
    bucketId = bucket.id
    const commits = Array.from({ length: VERSIONS }, (_, index) =>
      commitOf(bucket, `key-${index}`, { keyRef: 'kms:k' }),
    )
    await Promise.all(commits.map((commit) => store.commitVersion(commit)))
    await store.close()
    source = await openLmdbRows(join(directory, 'source'))
  })
  afterEach(async () => {
    await source.close()
    await rm(directory, { recursive: true, force: true })
  })

  test('stopped on the way, goes on after what is there, and is the same in the end', async () => {
    const target = await openLmdbRows(join(directory, 'target'))
    let steps = 0
    const failing: RowStore = {
      ...target,
      add: async (table, rows) => {
        steps += 1
        if (steps === 5) throw new Error('killed')
        await target.add(table, rows)
      },
    }
    await expect(transferRows(source, failing, () => undefined)).rejects.toThrow('killed')
    let copiedAgain = 0
    const counting: RowStore = {
      ...target,
      add: async (table, rows) => {
        copiedAgain += rows.length
        await target.add(table, rows)
      },
    }
    const reports = await transferRows(source, counting, () => undefined)
    const rowCount = reports.reduce((sum, report) => sum + report.rowCount, 0)
    expect(copiedAgain).toBeLessThan(rowCount)
    await target.close()
    const store = await openLmdbStore({ directory: join(directory, 'target') })
    expect(await store.getUsage({ bucketId })).toMatchObject({ versionCount: VERSIONS })
    expect(await store.getKeyUse('kms:k')).toBe(VERSIONS)
    const page = { bucketId, prefix: '', delimiter: '', afterKey: '', limit: 10 }
    expect((await store.listCurrent(page)).entries).toHaveLength(10)
    await store.close()
  })

  test('is refused if a row on the other side is not the one that was copied', async () => {
    const target = await openLmdbRows(join(directory, 'target'))
    const lying: RowStore = {
      ...target,
      add: async (table, rows) => {
        await target.add(table, rows)
        if (table === 'current') await target.add(table, [{ key: rows[0]?.key as Buffer, value: randomBytes(8) }])
      },
    }
    await refused(
      transferRows(source, lying, () => undefined),
      'META_TRANSFER_FAILED',
    )
    await target.close()
  })
})
