import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { OutboxEvent } from '../records.ts'
import { commitOf, newBucket, newVersionId, plain, put, refused, type StoreUnderTest } from './fixtures.ts'

function event(queue: string, text = 'event'): OutboxEvent {
  return { queue, payload: Buffer.from(text) }
}

export function outboxContract(under: StoreUnderTest): void {
  /** The payloads of a queue, in its order. */
  async function texts(queue: string, afterId = ''): Promise<string[]> {
    const entries = await under.store.listEvents({ queue, afterId, limit: 1_000 })
    return entries.map(({ payload }) => Buffer.from(payload).toString())
  }

  describe('the outbox', () => {
    test('a version, a replaced record and a removal each bring their events, in the order of the commits', async () => {
      const { store } = under
      const bucket = await newBucket(store)
      const before = Date.now()
      const commit = commitOf(bucket, 'a')
      await store.commitVersion({ ...commit, events: [event('q', 'put'), event('other', 'put')] })
      const { versionId, sealed } = commit.version
      const key = { bucketId: bucket.id, key: 'a' }
      const changed = { ...key, versionId, expectedSealed: sealed, keyRef: '', sealed: randomBytes(20) }
      await store.replaceObjectKey({ ...changed, events: [event('q', 'tagged')] })
      const removal = { ...key, bucketRevision: bucket.revision, which: { versionId } }
      await store.removeVersion({ ...removal, events: [event('q', 'removed')] })
      await store.appendEvents([event('q', 'test')])
      expect(await texts('q')).toEqual(['put', 'tagged', 'removed', 'test'])
      expect(await texts('other')).toEqual(['put'])
      const [first, second] = await store.listEvents({ queue: 'q', afterId: '', limit: 2 })
      expect(first?.id).toMatch(/^[0-9a-f]{16}$/)
      expect(String(first?.id) < String(second?.id)).toBe(true)
      expect(first?.note).toBe('')
      expect(first?.createdAt).toBeGreaterThanOrEqual(before - 1_000)
      expect(await texts('q', second?.id)).toEqual(['removed', 'test'])
    })

    test('a change that is refused, or removes nothing, brings no event', async () => {
      const { store } = under
      const bucket = await newBucket(store)
      const events = [event('q')]
      await refused(
        store.commitVersion({ ...commitOf(bucket, 'a', { expectedCurrent: newVersionId() }), events }),
        'META_PRECONDITION_FAILED',
      )
      await refused(
        store.commitVersion({ ...commitOf({ ...bucket, revision: 9 }, 'a'), events }),
        'META_BUCKET_CHANGED',
      )
      const { version } = await put(store, bucket, 'b')
      const key = { bucketId: bucket.id, key: 'b', versionId: version.versionId }
      const stale = { ...key, expectedSealed: randomBytes(9), keyRef: '', sealed: randomBytes(9) }
      await refused(store.replaceObjectKey({ ...stale, events }), 'META_VERSION_CHANGED')
      const removal = { bucketId: bucket.id, bucketRevision: bucket.revision, which: 'current' as const }
      await store.removeVersion({ ...removal, key: 'absent', events })
      expect(await store.listEventQueues()).toEqual([])
    })

    test('changes of one key at the same time have their events in the order of its versions', async () => {
      const { store } = under
      const bucket = await newBucket(store)
      const outcomes = await Promise.allSettled(
        Array.from({ length: 40 }, () => {
          const commit = commitOf(bucket, 'a')
          return store.commitVersion({ ...commit, events: [event('q', commit.version.versionId)] })
        }),
      )
      const told = await texts('q')
      expect(told).toHaveLength(outcomes.filter(({ status }) => status === 'fulfilled').length)
      expect(told).toEqual([...told].sort())
    })

    test('what is delivered is taken out, once, and ids are not used again', async () => {
      const { store } = under
      await store.appendEvents([event('q', '1'), event('q', '2'), event('q', '3')])
      const entries = await store.listEvents({ queue: 'q', afterId: '', limit: 10 })
      const ids = entries.map(({ id }) => id)
      expect(await store.moveEvents({ queue: 'q', ids })).toBe(3)
      expect(await store.moveEvents({ queue: 'q', ids })).toBe(0)
      await under.reopen()
      await under.store.appendEvents([event('q', '4')])
      const [next] = await under.store.listEvents({ queue: 'q', afterId: '', limit: 10 })
      expect(String(next?.id) > String(ids[2])).toBe(true)
    })

    test('entries that are moved keep id, time and payload, and get the note', async () => {
      const { store } = under
      await store.appendEvents([event('q', '1'), event('q', '2')])
      const [first, second] = await store.listEvents({ queue: 'q', afterId: '', limit: 10 })
      expect(await store.moveEvents({ queue: 'q', ids: [String(first?.id)], to: 'dead/q', note: 'refused: 400' })).toBe(
        1,
      )
      expect(plain(await store.listEvents({ queue: 'dead/q', afterId: '', limit: 10 }))).toEqual(
        plain([{ ...first, note: 'refused: 400' }]),
      )
      expect(plain(await store.listEvents({ queue: 'q', afterId: '', limit: 10 }))).toEqual(plain([second]))
      expect(await store.moveEvents({ queue: 'dead/q', ids: [String(first?.id)], to: 'q' })).toBe(1)
      expect(plain(await store.listEvents({ queue: 'q', afterId: '', limit: 10 }))).toEqual(plain([first, second]))
    })

    test('what entries weigh is told of their queue, whatever becomes of them', async () => {
      const { store } = under
      const heavy = (text: string, weightBytes: number) => ({ ...event('q', text), weightBytes })
      const totals = async (queue: string) => {
        const { entryCount, weightBytes } = await under.store.getQueueTotals(queue)
        return [entryCount, weightBytes]
      }
      expect(await totals('q')).toEqual([0, 0])
      const bucket = await newBucket(store)
      const commits = [heavy('1', 5_000_000_000_000), heavy('2', 7), event('q', 'light'), event('other')]
      for (const one of commits)
        await store.commitVersion({ ...commitOf(bucket, randomBytes(4).toString('hex')), events: [one] })
      await refused(
        store.commitVersion({ ...commitOf(bucket, 'a', { expectedCurrent: newVersionId() }), events: [heavy('3', 1)] }),
        'META_PRECONDITION_FAILED',
      )
      await store.appendEvents([heavy('nothing to send', 0)])
      expect(await totals('q')).toEqual([3, 5_000_000_000_007])
      expect(await totals('other')).toEqual([0, 0])
      await under.reopen()
      const entries = await under.store.listEvents({ queue: 'q', afterId: '', limit: 10 })
      const [first, second, light] = entries.map(({ id }) => id)
      await under.store.moveEvents({ queue: 'q', ids: [String(first)], to: 'dead/q', note: 'refused' })
      expect([await totals('q'), await totals('dead/q')]).toEqual([
        [2, 7],
        [1, 5_000_000_000_000],
      ])
      const [dead] = await under.store.listEvents({ queue: 'dead/q', afterId: '', limit: 1 })
      expect(dead?.weightBytes).toBe(5_000_000_000_000)
      for (let time = 0; time < 2; time++) {
        await under.store.moveEvents({ queue: 'q', ids: [String(second), String(light)] })
      }
      expect(await totals('q')).toEqual([1, 0])
      await under.store.moveEvents({ queue: 'dead/q', ids: [String(dead?.id)] })
      expect(await totals('dead/q')).toEqual([0, 0])
      expect(await under.store.getKeyUse('q')).toBe(0)
    })

    test('queues are counted up to a limit, and listed while they hold something', async () => {
      const { store } = under
      await store.appendEvents([...Array.from({ length: 30 }, () => event('b')), event('a'), event('bb')])
      expect(await store.countEvents('b', 1_000)).toBe(30)
      expect(await store.countEvents('b', 10)).toBe(10)
      expect(await store.countEvents('none', 10)).toBe(0)
      expect(await store.listEventQueues()).toEqual(['a', 'b', 'bb'])
      expect(await store.listEvents({ queue: 'b', afterId: '', limit: 7 })).toHaveLength(7)
    })
  })
}
