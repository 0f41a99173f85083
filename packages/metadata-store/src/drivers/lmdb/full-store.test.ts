import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isCofferError } from '@coffer/errors'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bucketFields, refused } from '../../contract/fixtures.ts'
import type { MetadataStore } from '../../metadata-store.ts'
import { openLmdbStore } from '../lmdb.ts'
import { commitFields } from './testing/commit-fields.ts'

const DISK_BYTES = 6 * 1024 * 1024

/** A small disk of our own; only root may have one. Elsewhere the suite is skipped, in CI it fails. */
const directory = mkdtempSync(join(tmpdir(), 'coffer-full-'))
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', directory]).status === 0
const canRun = mounted || process.env.CI === 'true'
afterAll(() => {
  if (mounted) spawnSync('umount', [directory])
  rmdirSync(directory)
})

describe.runIf(canRun)('a store whose disk is full', () => {
  let store: MetadataStore
  let bucketId: string
  beforeEach(async () => {
    store = await openLmdbStore({ directory: join(directory, 'store') })
    bucketId = (await store.createBucket(bucketFields('bucket'))).id
  })
  afterEach(async () => {
    await store.close()
    await rm(join(directory, 'store'), { recursive: true, force: true })
  })

  const put = (key: string, bodyBytes: number) => store.commitVersion(commitFields(bucketId, key, true, bodyBytes))
  const fill = async (): Promise<string[]> => {
    const keys: string[] = []
    for (let index = 0; index < 10_000; index += 1) {
      try {
        await put(`key-${index}`, 16_000)
        keys.push(`key-${index}`)
      } catch (error) {
        if (isCofferError(error, 'META_STORE_FULL')) return keys
        throw error
      }
    }
    throw new Error('it never was full')
  }

  test('refuses writes, reads on, takes removals, and writes again when there is room', async () => {
    const keys = await fill()
    await refused(put('more', 100_000), 'META_STORE_FULL')
    for (const key of keys) {
      const found = await store.findVersion(bucketId, key, 'current', { withBody: true })
      expect(found?.body?.kind === 'inline' && found.body.bytes.length).toBe(16_000)
    }
    expect(await store.getUsage({ bucketId })).toMatchObject({ versionCount: keys.length })
    for (const key of keys.slice(0, 20)) {
      await store.removeVersion({ bucketId, bucketRevision: 1, key, which: 'null' })
    }
    await put('fits-again', 100_000)
    expect(await store.getUsage({ bucketId })).toMatchObject({ versionCount: keys.length - 19 })
  })

  test('one change that does not fit fails alone: those committed together with it are kept', async () => {
    const outcomes = await Promise.allSettled([
      put('small-1', 1_000),
      put('small-2', 5_000),
      ...Array.from({ length: 3 }, (_, index) => put(`large-${index}`, 3_900_000)),
      put('small-3', 1_000),
    ])
    const codes = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'kept'))
    expect(codes.filter((code) => code === 'META_STORE_FULL').length).toBeGreaterThanOrEqual(2)
    expect([codes[0], codes[1], codes[5]]).toEqual(['kept', 'kept', 'kept'])
    expect(await store.getUsage({ bucketId })).toMatchObject({
      versionCount: codes.filter((code) => code === 'kept').length,
    })
  })
})
