import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bucketFields, refused } from '../../contract/fixtures.ts'
import { openLmdbStore } from '../lmdb.ts'
import { readMetaPages } from './meta-pages.ts'
import { commitFields } from './testing/commit-fields.ts'

const PAGE_BYTES = 4096
/** What LMDB believes unchecked: name, where in a meta page, and how long. */
const BELIEVED = new Map([
  ['the magic number', [24, 4]],
  ['the format', [28, 4]],
  ['the flags of the free list', [52, 2]],
  ['the flags of the main database', [100, 2]],
  ['the page size', [48, 4]],
  ['the root of the main database', [136, 8]],
  ['the transaction', [152, 8]],
] as const)

describe('the start of the file', () => {
  let directory: string
  let bucketId: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'coffer-meta-pages-'))
    const store = await openLmdbStore({ directory })
    bucketId = (await store.createBucket(bucketFields('bucket'))).id
    for (let index = 0; index < 5; index += 1) await store.commitVersion(commitFields(bucketId, 'key', false))
    await store.close()
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  const file = () => join(directory, 'data.mdb')

  test('is whole after any number of commits, and where there is no file', async () => {
    await readMetaPages(join(directory, 'nothing'))
    for (let index = 0; index < 5; index += 1) {
      const store = await openLmdbStore({ directory })
      await store.commitVersion(commitFields(bucketId, 'key', false))
      await store.close()
      await readMetaPages(directory)
    }
  })

  test.each([...BELIEVED.keys()])('with any bit of %s changed is refused', async (field) => {
    const [at, sizeBytes] = BELIEVED.get(field) as readonly [number, number]
    const good = await readFile(file())
    for (const page of [0, PAGE_BYTES]) {
      for (let bit = 0; bit < sizeBytes * 8; bit += 1) {
        const bad = Buffer.from(good)
        const index = page + at + (bit >> 3)
        bad[index] = (bad[index] as number) ^ (1 << (bit & 7))
        await writeFile(file(), bad)
        await refused(readMetaPages(directory), 'META_RECORD_DAMAGED')
      }
    }
  })

  test('of any other bytes is refused and not touched', async () => {
    const good = await readFile(file())
    const bad = [
      randomBytes(good.length),
      good.subarray(0, 100),
      good.subarray(0, PAGE_BYTES),
      Buffer.alloc(good.length),
    ]
    for (const bytes of bad) {
      await rm(directory, { recursive: true })
      await mkdir(directory)
      await writeFile(file(), bytes)
      await refused(openLmdbStore({ directory }), 'META_RECORD_DAMAGED')
      expect(await readFile(file())).toEqual(Buffer.from(bytes))
    }
  })
})
