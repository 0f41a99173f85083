import { randomBytes } from 'node:crypto'
import { isCofferError } from '@coffer/errors'
import type { BucketRecord, MetadataStore } from '@coffer/metadata-store'
import { allPages, commitOf, newBucket, plain, query, refused } from '@coffer/metadata-store/contract/fixtures'
import { openPostgresStore } from '@coffer/metadata-store/drivers/postgres'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { describeWithPostgres } from '../harness/describe-with-postgres.ts'
import { type PostgresServer, startPostgres } from '../harness/postgres-server.ts'
import { type Cut, startCuttingProxy } from './cutting-proxy.ts'

const PROCESSES = 3
const WRITERS_EACH = 6
const RECOVERY_MS_MAX = 10_000
const TIMEOUT_MS = 240_000

describeWithPostgres('faults of a PostgreSQL server', () => {
  let server: PostgresServer
  const opened: MetadataStore[] = []
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()))
  })
  afterAll(() => server.stop())
  const open = async (schema: string, port = server.port) => {
    const store = await openPostgresStore({ ...server.options(schema), port })
    opened.push(store)
    return store
  }

  /** What the store says of a bucket, by every way there is to ask it, agrees. */
  const agrees = async (store: MetadataStore, bucket: BucketRecord, keyRef: string): Promise<Set<string>> => {
    const listed = await allPages((search) => store.listVersions(search), query(bucket))
    const current = await allPages((search) => store.listCurrent(search), query(bucket))
    expect(current.entries.map(({ key }) => key)).toEqual(
      listed.entries.filter(({ isLatest }) => isLatest).map(({ key }) => key),
    )
    const sizeBytes = listed.entries.reduce((sum, entry) => sum + entry.sizeBytes, 0)
    expect(await store.getUsage({ bucketId: bucket.id })).toEqual({
      versionCount: listed.entries.length,
      deleteMarkerCount: 0,
      sizeBytes,
      partSizeBytes: 0,
    })
    const accountId = bucket.ownerAccountId
    expect(await store.getUsage({ accountId })).toMatchObject({ versionCount: listed.entries.length, sizeBytes })
    expect(await store.getKeyUse(keyRef)).toBe(listed.entries.length)
    return new Set(listed.entries.map(({ versionId }) => versionId))
  }

  test('killed and restarted in the middle of commits: what was acknowledged is there, whole, and writers go on', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const stores = await Promise.all(Array.from({ length: PROCESSES }, () => open('killed')))
    const store = stores[0] as MetadataStore
    const bucket = await newBucket(store)
    const acknowledged: ReturnType<typeof commitOf>[] = []
    const failures: unknown[] = []
    let done = false
    const write = async (own: MetadataStore) => {
      while (!done) {
        const commit = commitOf(bucket, `key-${randomBytes(3).toString('hex')}`, { keyRef: 'kms:k/1' })
        await own.commitVersion(commit).then(
          () => acknowledged.push(commit),
          (error: unknown) => failures.push(error),
        )
      }
    }
    const writers = stores.flatMap((own) => Array.from({ length: WRITERS_EACH }, () => write(own)))
    try {
      for (let round = 1; round <= 2; round += 1) {
        const before = acknowledged.length
        await expect.poll(() => acknowledged.length, { timeout: 60_000 }).toBeGreaterThan(before + 60)
        await server.kill()
        await server.restart()
        const restartedAt = Date.now()
        const known = acknowledged.length
        await expect
          .poll(() => acknowledged.length, { timeout: 60_000 })
          .toBeGreaterThan(known + PROCESSES * WRITERS_EACH)
        expect(Date.now() - restartedAt).toBeLessThan(RECOVERY_MS_MAX)
      }
    } finally {
      done = true
    }
    await Promise.all(writers)
    for (const error of failures) {
      expect(isCofferError(error, 'META_UNAVAILABLE') || isCofferError(error, 'META_VERSION_NOT_NEWEST')).toBe(true)
    }
    const listed = await agrees(store, bucket, 'kms:k/1')
    for (const { version, body } of acknowledged) {
      expect(listed.has(version.versionId)).toBe(true)
      const which = { versionId: version.versionId }
      const found = await store.findVersion(bucket.id, version.key, which, { withBody: true })
      expect(plain(found?.body)).toEqual(plain(body))
    }
  })

  test('connections that are cut in the middle of COMMIT: each write is made once, whatever became of its answer', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const cuts: Cut[] = ['none', 'after', 'none', 'before', 'after']
    let commits = 0
    const proxy = await startCuttingProxy(server.port, () => cuts[commits++ % cuts.length] ?? 'none')
    try {
      const store = await open('cut', proxy.port)
      const bucket = await newBucket(store)
      // Counting is what a write that is made twice would show.
      const count = async (name: string) => {
        for (let step = 0; step < 15; step += 1) await store.putRecord('iam', name, randomBytes(8))
      }
      await Promise.all(['a', 'b', 'c', 'd'].map(count))
      for (const name of ['a', 'b', 'c', 'd']) expect((await store.findRecord('iam', name))?.revision).toBe(15)
      const made = Array.from({ length: 40 }, (_, index) => commitOf(bucket, `key-${index}`, { keyRef: 'kms:k/2' }))
      for (const commit of made) await store.commitVersion(commit)
      const listed = await agrees(store, bucket, 'kms:k/2')
      expect([...listed].sort()).toEqual(made.map(({ version }) => version.versionId).sort())
      expect(proxy.cuts()).toBeGreaterThan(20)
    } finally {
      await proxy.stop()
    }
  })

  test('many writers on one key, from several processes: each is made or refused, and the key is whole', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const stores = await Promise.all(Array.from({ length: PROCESSES }, () => open('storm')))
    const store = stores[0] as MetadataStore
    const bucket = await newBucket(store)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 150 }, (_, index) =>
        (stores[index % PROCESSES] as MetadataStore).commitVersion(commitOf(bucket, 'one', { keyRef: 'kms:k/3' })),
      ),
    )
    const made = outcomes.filter(({ status }) => status === 'fulfilled').length
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'META_VERSION_NOT_NEWEST' })
    }
    expect((await agrees(store, bucket, 'kms:k/3')).size).toBe(made)
    const firsts = Array.from({ length: 30 }, (_, index) =>
      (stores[index % PROCESSES] as MetadataStore).putRecord('keys', 'first', randomBytes(8), 0),
    )
    const winners = (await Promise.allSettled(firsts)).filter(({ status }) => status === 'fulfilled')
    expect(winners).toHaveLength(1)
  })

  describe('a server that can not be used', () => {
    test('is refused if it acknowledges what it may lose', async () => {
      await server.run('ALTER ROLE coffer SET synchronous_commit = off')
      try {
        await refused(open('unsafe'), 'META_STORE_UNSAFE')
      } finally {
        await server.run('ALTER ROLE coffer RESET synchronous_commit')
      }
    })

    test('is refused, and left as it is, if a newer Coffer made its tables', async () => {
      await open('newer')
      await server.run('INSERT INTO newer.migrations (number, applied_at) VALUES (1000, now())')
      await refused(open('newer'), 'META_FORMAT_NEWER')
    })

    test('is told from one that is away, and the password is in no error', async () => {
      const { passwordFile: _, ...unnamed } = server.options('refused')
      const error = await openPostgresStore({ ...unnamed, user: 'nobody' }).catch((reason: unknown) => reason)
      expect(isCofferError(error, 'META_STORE_REFUSED') || isCofferError(error, 'META_UNAVAILABLE')).toBe(true)
      const away = await openPostgresStore({ ...server.options('away'), port: 1 }).catch((reason: unknown) => reason)
      expect(isCofferError(away, 'META_UNAVAILABLE')).toBe(true)
    })

    test('processes that start at once make the tables once', async () => {
      const stores = await Promise.all(Array.from({ length: 5 }, () => open('together')))
      await Promise.all(stores.map((store, index) => newBucket(store, `bucket-${index}`)))
      expect(await server.run('SELECT number FROM together.migrations WHERE number = 1')).toHaveLength(1)
    })
  })
})
