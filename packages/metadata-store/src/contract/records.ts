import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { plain, refused, type StoreUnderTest } from './fixtures.ts'

export function recordsContract(under: StoreUnderTest): void {
  describe('records of other services', () => {
    test('a record reads back with its revision, in its table only', async () => {
      const value = randomBytes(200)
      expect(plain(await under.store.putRecord('iam', 'user/1', value))).toEqual(
        plain({ id: 'user/1', value, revision: 1 }),
      )
      expect(plain(await under.store.findRecord('iam', 'user/1'))).toEqual(plain({ id: 'user/1', value, revision: 1 }))
      expect(await under.store.findRecord('keys', 'user/1')).toBeUndefined()
      expect((await under.store.putRecord('iam', 'user/1', value)).revision).toBe(2)
    })

    test('a record under an expected revision is a compare-and-set', async () => {
      await under.store.putRecord('keys', 'k', randomBytes(1), 0)
      await refused(under.store.putRecord('keys', 'k', randomBytes(1), 0), 'META_RECORD_CHANGED')
      await refused(under.store.putRecord('keys', 'k', randomBytes(1), 2), 'META_RECORD_CHANGED')
      expect((await under.store.putRecord('keys', 'k', randomBytes(1), 1)).revision).toBe(2)
    })

    test('of many first writes at once, one succeeds', async () => {
      const attempts = Array.from({ length: 20 }, () => under.store.putRecord('iam', 'root', randomBytes(8), 0))
      const outcomes = await Promise.allSettled(attempts)
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    })

    test('a deleted record is gone, and deleting nothing succeeds', async () => {
      await under.store.putRecord('iam', 'a', randomBytes(1))
      await under.store.deleteRecord('iam', 'a')
      await under.store.deleteRecord('iam', 'a')
      expect(await under.store.findRecord('iam', 'a')).toBeUndefined()
      expect((await under.store.putRecord('iam', 'a', randomBytes(1), 0)).revision).toBe(1)
    })

    test('several records change in one write, or none of them', async () => {
      const { store } = under
      await store.putRecord('iam', 'a', randomBytes(1))
      await store.putRecord('iam', 'b', randomBytes(1))
      const value = randomBytes(20)
      await store.changeRecords('iam', [{ id: 'a', value, expectedRevision: 1 }, { id: 'b' }, { id: 'c', value }])
      expect(plain(await store.findRecord('iam', 'a'))).toEqual(plain({ id: 'a', value, revision: 2 }))
      expect(await store.findRecord('iam', 'b')).toBeUndefined()
      expect(plain(await store.findRecord('iam', 'c'))).toEqual(plain({ id: 'c', value, revision: 1 }))
      const late = [
        { id: 'c', value: randomBytes(1) },
        { id: 'd', value },
        { id: 'a', expectedRevision: 1 },
      ]
      await refused(store.changeRecords('iam', late), 'META_RECORD_CHANGED')
      expect(plain(await store.findRecord('iam', 'c'))).toEqual(plain({ id: 'c', value, revision: 1 }))
      expect(await store.findRecord('iam', 'd')).toBeUndefined()
      expect(await store.findRecord('iam', 'a')).toBeDefined()
    })

    test('of many changes of one revision at once, one succeeds', async () => {
      const attempts = Array.from({ length: 20 }, (_, index) =>
        under.store.changeRecords('iam', [
          { id: 'counter', value: randomBytes(8), expectedRevision: 0 },
          { id: `of/${index}`, value: randomBytes(8) },
        ]),
      )
      const outcomes = await Promise.allSettled(attempts)
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(await under.store.listRecords('iam', { prefix: 'of/', afterId: '', limit: 100 })).toHaveLength(1)
    })

    test('an empty value and a large one read back', async () => {
      for (const size of [0, 300_000]) {
        const value = randomBytes(size)
        await under.store.putRecord('bucket-keys', `size-${size}`, value)
        expect(plain((await under.store.findRecord('bucket-keys', `size-${size}`))?.value)).toEqual(plain(value))
      }
    })

    test('records are listed by the bytes of their ids, by prefix and page by page', async () => {
      for (const id of ['b', 'a/2', 'a/1', 'a', 'é', '\uffff', '\u{1F600}']) {
        await under.store.putRecord('keys', id, randomBytes(4))
      }
      await under.store.putRecord('iam', 'a/3', randomBytes(4))
      const list = async (query: Partial<{ prefix: string; afterId: string; limit: number }>) =>
        (await under.store.listRecords('keys', { prefix: '', afterId: '', limit: 100, ...query })).map(({ id }) => id)
      expect(await list({})).toEqual(['a', 'a/1', 'a/2', 'b', 'é', '\uffff', '\u{1F600}'])
      expect(await list({ prefix: 'a/' })).toEqual(['a/1', 'a/2'])
      expect(await list({ afterId: 'a/1', limit: 2 })).toEqual(['a/2', 'b'])
      expect(await list({ prefix: 'a/', afterId: 'a' })).toEqual(['a/1', 'a/2'])
      expect(await list({ prefix: 'a/', afterId: 'b' })).toEqual([])
    })
  })
}
