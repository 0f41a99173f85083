import { commitOf, countedStore, newBucket, put } from '@coffer/metadata-store/contract/fixtures'
import { openPostgresStore } from '@coffer/metadata-store/drivers/postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPostgres } from '../harness/describe-with-postgres.ts'
import { type PostgresServer, startPostgres } from '../harness/postgres-server.ts'

describeWithPostgres('counters on PostgreSQL', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  test('of a store of before are made once: accounts, and the parts of uploads in progress', async () => {
    let store = await openPostgresStore(server.options('counted'))
    const { one, usage, before } = await countedStore(store)
    expect(before[2]).toEqual({ versionCount: 2, deleteMarkerCount: 1, sizeBytes: 17, partSizeBytes: 100 })
    await store.close()
    await server.run(`
      CREATE TABLE counted.bucket_usage AS SELECT bucket_id, shard, revision, version_count, delete_marker_count, size_bytes FROM counted.bucket_counters;
      DROP TABLE counted.bucket_counters, counted.account_counters;
      ALTER TABLE counted.sessions DROP COLUMN move;
      DROP TABLE counted.journal;
      DELETE FROM counted.store WHERE name = 'move';
      DELETE FROM counted.migrations WHERE number >= 2`)
    store = await openPostgresStore(server.options('counted'))
    expect(await usage(store)).toEqual(before)
    await put(store, one, 'b', { sizeBytes: 3 })
    expect(await store.getUsage({ accountId: one.ownerAccountId })).toMatchObject({ sizeBytes: 20 })
    await store.close()
  })

  test('several processes that write at once add up to the quota and not a byte more', async () => {
    const stores = await Promise.all(Array.from({ length: 3 }, () => openPostgresStore(server.options('raced'))))
    const [store] = stores as [(typeof stores)[number]]
    const bucket = await newBucket(store)
    await store.setQuota({ bucketId: bucket.id }, { sizeBytesMax: 1_000 })
    const commits = Array.from({ length: 300 }, (_, index) =>
      stores[index % 3]?.commitVersion(commitOf(bucket, `key-${index}`, { sizeBytes: 10 })),
    )
    const outcomes = await Promise.allSettled(commits)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(100)
    expect(await store.getUsage({ bucketId: bucket.id })).toMatchObject({ versionCount: 100, sizeBytes: 1_000 })
    await Promise.all(stores.map((one) => one.close()))
  })
})
