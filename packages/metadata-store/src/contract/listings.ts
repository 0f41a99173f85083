import { describe, expect, test } from 'vitest'
import type { BucketRecord } from '../records.ts'
import { allPages, newBucket, put, query, type StoreUnderTest } from './fixtures.ts'

const KEYS = ['a', 'a/', 'a/b', 'a/b/c', 'a/d', 'b', 'b!', 'b/x', 'b0', 'c//d', 'é', '\u{1F600}', '\uffff']

export function listingsContract(under: StoreUnderTest): void {
  const fill = async (keys: readonly string[]): Promise<BucketRecord> => {
    const bucket = await newBucket(under.store)
    await Promise.all(keys.map((key) => put(under.store, bucket, key)))
    return bucket
  }
  const current = (search: Parameters<typeof under.store.listCurrent>[0]) => under.store.listCurrent(search)
  const versions = (search: Parameters<typeof under.store.listVersions>[0]) => under.store.listVersions(search)

  describe('listings', () => {
    test('names come in the order of their UTF-8 bytes', async () => {
      const bucket = await fill([...KEYS].reverse())
      const { entries, next } = await current(query(bucket))
      // U+FFFF sorts after U+1F600 by UTF-16 units, before it by bytes.
      expect(entries.map(({ key }) => key)).toEqual(
        [...KEYS].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      )
      expect(next).toBeUndefined()
    })

    test('an entry shows what was committed', async () => {
      const bucket = await newBucket(under.store)
      const { version } = await put(under.store, bucket, 'key', { isNull: true })
      const { versionId, lastModifiedAt, sizeBytes, summary } = version
      const expected = {
        key: 'key',
        versionId,
        isNull: true,
        isDeleteMarker: false,
        isLatest: true,
        lastModifiedAt,
        sizeBytes,
      }
      for (const page of [await current(query(bucket)), await versions(query(bucket))]) {
        expect(page.entries).toHaveLength(1)
        expect(page.entries[0]).toMatchObject(expected)
        expect(Buffer.from(page.entries[0]?.summary ?? [])).toEqual(Buffer.from(summary))
      }
    })

    test('an object that was deleted is not listed, and is again when its marker is removed', async () => {
      const bucket = await fill(['a', 'b', 'c'])
      await put(under.store, bucket, 'b', { isDeleteMarker: true })
      expect((await current(query(bucket))).entries.map(({ key }) => key)).toEqual(['a', 'c'])
      await under.store.removeVersion({ bucketId: bucket.id, bucketRevision: 1, key: 'b', which: 'current' })
      expect((await current(query(bucket))).entries.map(({ key }) => key)).toEqual(['a', 'b', 'c'])
    })

    test('another bucket and its names are never in the page', async () => {
      const bucket = await fill(['a'])
      const other = await newBucket(under.store, 'other')
      await put(under.store, other, 'b')
      expect((await current(query(bucket))).entries).toHaveLength(1)
      expect((await versions(query(other))).entries.map(({ key }) => key)).toEqual(['b'])
    })

    test('a prefix limits the page to the names that begin with it', async () => {
      const bucket = await fill(KEYS)
      const { entries } = await current(query(bucket, { prefix: 'a/' }))
      expect(entries.map(({ key }) => key)).toEqual(['a/', 'a/b', 'a/b/c', 'a/d'])
      expect((await current(query(bucket, { prefix: 'zzz' }))).entries).toEqual([])
      expect((await current(query(bucket, { prefix: 'x'.repeat(1_025) }))).entries).toEqual([])
    })

    test('a delimiter rolls names up into common prefixes', async () => {
      const bucket = await fill(KEYS)
      const top = await current(query(bucket, { delimiter: '/' }))
      expect(top.commonPrefixes).toEqual(['a/', 'b/', 'c/'])
      expect(top.entries.map(({ key }) => key)).toEqual(['a', 'b', 'b!', 'b0', 'é', '\uffff', '\u{1F600}'])
      const below = await current(query(bucket, { prefix: 'a/', delimiter: '/' }))
      expect(below.commonPrefixes).toEqual(['a/b/'])
      expect(below.entries.map(({ key }) => key)).toEqual(['a/', 'a/b', 'a/d'])
      const longer = await current(query(bucket, { prefix: 'c', delimiter: '//' }))
      expect(longer.commonPrefixes).toEqual(['c//'])
    })

    test.each([
      { prefix: '', delimiter: '' },
      { prefix: '', delimiter: '/' },
      { prefix: 'a', delimiter: '/' },
      { prefix: 'a/', delimiter: '/' },
      { prefix: 'b', delimiter: '' },
      { prefix: '', delimiter: '//' },
      { prefix: '', delimiter: 'b' },
    ])('pages of every size put together are the whole listing: %o', async (search) => {
      const bucket = await fill(KEYS)
      for (const list of [current, versions]) {
        const whole = await list(query(bucket, search))
        for (let limit = 1; limit <= KEYS.length + 1; limit += 1) {
          const pages = await allPages(list, query(bucket, { ...search, limit }))
          expect(pages.entries).toEqual(whole.entries)
          expect(pages.commonPrefixes).toEqual(whole.commonPrefixes)
          expect(pages.pages).toBe(Math.max(1, Math.ceil((whole.entries.length + whole.commonPrefixes.length) / limit)))
        }
      }
    })

    test('a page of nothing is empty and does not go on', async () => {
      const bucket = await fill(KEYS)
      for (const list of [current, versions]) {
        expect(await list(query(bucket, { limit: 0 }))).toEqual({ entries: [], commonPrefixes: [] })
      }
    })

    test('a listing goes on after a name that does not exist, and before the first one', async () => {
      const bucket = await fill(KEYS)
      const after = async (afterKey: string) => (await current(query(bucket, { afterKey, limit: 1 }))).entries[0]?.key
      expect(await after('a/c')).toBe('a/d')
      expect(await after('!')).toBe('a')
      expect(await after('a')).toBe('a/')
      expect(await after('\u{10FFFF}')).toBeUndefined()
      expect(await after(`b${'\u{10FFFF}'.repeat(400)}`)).toBe('c//d')
    })

    test('after a common prefix everything below it is skipped; after a name within it, it is shown', async () => {
      const bucket = await fill(KEYS)
      const shown = await current(query(bucket, { delimiter: '/', afterKey: 'a/' }))
      expect(shown.commonPrefixes).toEqual(['b/', 'c/'])
      const within = await current(query(bucket, { delimiter: '/', afterKey: 'a/b' }))
      expect(within.commonPrefixes).toEqual(['a/', 'b/', 'c/'])
      // The name 'a/' itself is an entry below the prefix 'a/', not a common prefix.
      const below = await current(query(bucket, { prefix: 'a/', delimiter: '/', afterKey: 'a/' }))
      expect(below.entries.map(({ key }) => key)).toEqual(['a/b', 'a/d'])
      expect(below.commonPrefixes).toEqual(['a/b/'])
    })

    test('after a name before the prefix, the page begins at the prefix', async () => {
      const bucket = await fill(KEYS)
      const page = await current(query(bucket, { prefix: 'b', afterKey: 'a/b' }))
      expect(page.entries.map(({ key }) => key)).toEqual(['b', 'b!', 'b/x', 'b0'])
      expect((await current(query(bucket, { prefix: 'a', afterKey: 'b' }))).entries).toEqual([])
    })
  })

  describe('listings of versions', () => {
    const history = async (): Promise<{ bucket: BucketRecord; ids: string[] }> => {
      const bucket = await newBucket(under.store)
      const ids: string[] = []
      for (const isNull of [false, true, false, false]) {
        ids.unshift((await put(under.store, bucket, 'key', { isNull })).version.versionId)
      }
      ids.unshift((await put(under.store, bucket, 'key', { isDeleteMarker: true })).version.versionId)
      await put(under.store, bucket, 'key!')
      await put(under.store, bucket, 'later')
      return { bucket, ids }
    }

    test('a key shows all its versions, newest first, and only the first is the latest', async () => {
      const { bucket, ids } = await history()
      const { entries } = await versions(query(bucket))
      const ofKey = entries.filter(({ key }) => key === 'key')
      expect(ofKey.map(({ versionId }) => versionId)).toEqual(ids)
      expect(ofKey.map(({ isLatest }) => isLatest)).toEqual([true, false, false, false, false])
      expect(ofKey.map(({ isDeleteMarker }) => isDeleteMarker)).toEqual([true, false, false, false, false])
      expect(ofKey.map(({ isNull }) => isNull)).toEqual([false, false, false, true, false])
      expect(entries.map(({ key }) => key).slice(5)).toEqual(['key!', 'later'])
    })

    test('pages of every size put together are the whole history', async () => {
      const { bucket } = await history()
      const whole = await versions(query(bucket))
      for (let limit = 1; limit <= 8; limit += 1) {
        expect((await allPages(versions, query(bucket, { limit }))).entries).toEqual(whole.entries)
      }
    })

    test('a page goes on strictly after a version, or after the whole key without one', async () => {
      const { bucket, ids } = await history()
      const after = async (afterVersionId: string) => {
        const page = await versions(query(bucket, { afterKey: 'key', afterVersionId }))
        return page.entries.filter(({ key }) => key === 'key').map(({ versionId }) => versionId)
      }
      for (const [index, versionId] of ids.entries()) expect(await after(versionId)).toEqual(ids.slice(index + 1))
      expect(await after('null')).toEqual(ids.slice(4))
      expect(await after('')).toEqual([])
    })

    test('versions that go while pages are read do not make others go missing', async () => {
      const { bucket, ids } = await history()
      const first = await versions(query(bucket, { limit: 4 }))
      expect(first.entries.at(-1)).toMatchObject({ isNull: true })
      for (const { versionId } of first.entries) {
        await under.store.removeVersion({ bucketId: bucket.id, bucketRevision: 1, key: 'key', which: { versionId } })
      }
      for (const afterVersionId of [ids[3] ?? '', 'null']) {
        const rest = await versions(query(bucket, { afterKey: 'key', afterVersionId }))
        expect(rest.entries.map(({ key }) => key)).toEqual(['key', 'key!', 'later'])
        expect(rest.entries[0]).toMatchObject({ versionId: ids[4], isLatest: true })
      }
    })

    test('a delimiter rolls up deleted objects too', async () => {
      const bucket = await newBucket(under.store)
      await put(under.store, bucket, 'gone/x')
      await put(under.store, bucket, 'gone/x', { isDeleteMarker: true })
      const search = query(bucket, { delimiter: '/' })
      expect(await versions(search)).toMatchObject({ entries: [], commonPrefixes: ['gone/'] })
      expect(await current(search)).toMatchObject({ entries: [], commonPrefixes: [] })
    })
  })
}
