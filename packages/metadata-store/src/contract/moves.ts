import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { moveOnline } from '../drivers/move/move-online.ts'
import type { MoveSource, MoveTarget } from '../drivers/move/move-store.ts'
import type { MetadataStore } from '../metadata-store.ts'
import { newBucket, put, refused } from './fixtures.ts'
import { MovingWriter } from './moving-writer.ts'

/** A store, and an empty place that it can be moved to. */
export interface MovePair {
  openStore(): Promise<MetadataStore>
  openSource(): Promise<MoveSource>
  openTarget(): Promise<MoveTarget>
  /** What was moved, as its users open it. */
  openMoved(): Promise<MetadataStore>
  dispose(): Promise<void>
}

const ROWS_BEFORE = 400
/** By each writer, in a move that is stopped again and again. */
const CHANGES_MEANWHILE = 250
/** A second of such a replay are 200 entries: with more left no fence is begun. */
const REPLAY_MS_PER_ENTRY = 5
const ENTRIES_BEHIND = 260
const PATIENCE = { timeout: 240_000 }

/** What moving a store under its writers promises, as tests. */
export function moveContract(name: string, open: () => Promise<MovePair>): void {
  describe(`${name}, moved while it is written`, () => {
    let pair: MovePair
    let stores: MetadataStore[]
    let writers: MovingWriter[]
    beforeEach(async () => {
      pair = await open()
      stores = [await pair.openStore(), await pair.openStore()]
      writers = await Promise.all([1, 2, 3, 4].map((number) => MovingWriter.start(stores, `bucket-${number}`)))
      await Promise.all(writers.map((writer) => writer.run(ROWS_BEFORE / writers.length)))
    })
    afterEach(async () => {
      for (const writer of writers) writer.stop()
      await Promise.all(stores.map((store) => store.close()))
      await pair.dispose()
    })

    /** Runs a move as a process of its own would: all that it opened is closed at its end. */
    const move = async (
      id: string,
      change: (source: MoveSource, target: MoveTarget) => readonly [MoveSource, MoveTarget] = (...both) => both,
    ) => {
      const source = await pair.openSource()
      const target = await pair.openTarget()
      try {
        if ((await source.readMove()) === undefined) await source.beginMove(id)
        if ((await source.readMove())?.phase === 'moved') return undefined
        return await moveOnline(...change(source, target), id, () => undefined)
      } finally {
        await source.close()
        await target.close()
      }
    }
    const expectMoved = async () => {
      const moved = await pair.openMoved()
      try {
        for (const writer of writers) await writer.expectIn(moved)
        const count = await moved.getKeyUse('kms:k/1')
        expect(await moved.listKeyUse({ keyRef: 'kms:k/1', limit: 100_000 })).toHaveLength(count)
      } finally {
        await moved.close()
      }
    }

    test('takes along every acknowledged change, and nothing is read or written behind it', PATIENCE, async () => {
      const before = writers.reduce((sum, { acknowledgedCount }) => sum + acknowledgedCount, 0)
      const running = Promise.all(writers.map((writer) => writer.run()))
      const report = await move(randomUUID())
      await running
      const after = writers.reduce((sum, { acknowledgedCount }) => sum + acknowledgedCount, 0)
      expect(after).toBeGreaterThan(before)
      // What is compared once more while nothing is written is what the machine is fast enough for.
      const isCompared = report?.compared === 'rows' || report?.compared === 'counts'
      const compared = report?.tables.find(({ table }) => table === 'versions')?.rowCount ?? 0
      expect(compared > 0).toBe(isCompared)
      await expectMoved()
    })

    test('ends though writes come faster than they can be replayed, and refuses none meanwhile', PATIENCE, async () => {
      let isLimited = false
      let heldUntilMs = 0
      let refusedBefore: number | undefined
      const running = Promise.all(writers.slice(0, 2).map((writer) => writer.run()))
      const report = await move(randomUUID(), (source, target) => [
        {
          ...source,
          // The last that is done before it is to catch up.
          countRows: async (table) => {
            isLimited = true
            return await source.countRows(table)
          },
          hold: async (id, durationMs) => {
            await source.hold(id, durationMs)
            heldUntilMs = durationMs === 0 ? 0 : performance.now() + durationMs
          },
          fence: async (id, durationMs) => {
            refusedBefore ??= writers.reduce((sum, { refusedCount }) => sum + refusedCount, 0)
            await source.fence(id, durationMs)
            heldUntilMs = Number.POSITIVE_INFINITY
          },
          forgetJournal: async (ids) => {
            await source.forgetJournal(ids)
            if (!isLimited) return
            await pause(ids.length * REPLAY_MS_PER_ENTRY)
            // However much is replayed: while writes are made there is more to do than a fence is begun for.
            const isBehind = async () => (await source.countJournal(ENTRIES_BEHIND)) === ENTRIES_BEHIND
            while (performance.now() > heldUntilMs && !(await isBehind())) await pause(5)
          },
        },
        target,
      ])
      await running
      expect(report?.heldMs).toBeGreaterThan(0)
      expect(refusedBefore).toBe(0)
      await expectMoved()
    })

    test('makes writes wait while they are held, and no longer', PATIENCE, async () => {
      const [store] = stores as [MetadataStore]
      const id = randomUUID()
      const source = await pair.openSource()
      await source.beginMove(id)
      await source.hold(id, 60_000)
      const write = store.putRecord('iam', 'held', Buffer.from('1'))
      expect((await source.readMove())?.isSlowed).toBe(true)
      for (let look = 0; look < 10; look += 1) expect(await store.findRecord('iam', 'held')).toBeUndefined()
      await source.hold(id, 0)
      await write
      expect(await source.readMove()).toMatchObject({ phase: 'journaling', isSlowed: false })
      await source.abandonMove()
      await source.close()
    })

    test('refuses no write that is held for too long: it is made, and taken along', PATIENCE, async () => {
      const [store, another] = stores as [MetadataStore, MetadataStore]
      const id = randomUUID()
      const source = await pair.openSource()
      await source.beginMove(id)
      const before = await source.countJournal(1_000)
      await source.hold(id, 60_000)
      await Promise.all([
        store.putRecord('iam', 'held', Buffer.from('1')),
        store.putRecord('iam', 'with it', Buffer.from('1')),
        another.putRecord('iam', 'elsewhere', Buffer.from('1')),
      ])
      expect((await source.readMove())?.isSlowed).toBe(true)
      expect(await source.countJournal(1_000)).toBe(before + 3)
      await source.abandonMove()
      await source.close()
    })

    test('goes on after it was stopped at any of its calls', PATIENCE, async () => {
      const id = randomUUID()
      const running = Promise.all(writers.map((writer) => writer.run(CHANGES_MEANWHILE)))
      let isDone = false
      let stops = 0
      for (let allowed = 1; !isDone; allowed += Math.ceil(allowed / 4)) {
        // More calls in each run; stopped before one and, in the next run, after one.
        let left = allowed
        const stopping = <Store extends object>(store: Store): Store =>
          new Proxy(store, {
            get(object, property) {
              const value: unknown = Reflect.get(object, property)
              if (typeof value !== 'function') return value
              return async (...args: unknown[]) => {
                left -= 1
                if (left < 0 && stops % 2 === 0) throw new Error('stopped')
                const result: unknown = await value.apply(object, args)
                if (left < 0) throw new Error('stopped')
                return result
              }
            },
          })
        try {
          await move(id, (source, target) => [stopping(source), stopping(target)])
          isDone = true
        } catch (error) {
          expect(String(error)).toContain('stopped')
          stops += 1
        }
      }
      await running
      expect(stops).toBeGreaterThan(8)
      await expectMoved()
    })

    test('refuses to end where a row is not the same, and the store goes on', PATIENCE, async () => {
      const id = randomUUID()
      const losing = (target: MoveTarget): MoveTarget => ({
        ...target,
        change: async (rows) => {
          const lost = rows.find(({ table, value }) => table === 'current' && value !== undefined)
          await target.change(rows.filter((row) => row !== lost))
        },
      })
      const details = await refused(
        move(id, (source, target) => [source, losing(target)]),
        'META_TRANSFER_FAILED',
      )
      expect(details.differingRows).toMatch(/^current \d/)
      const bucket = await newBucket(stores[0] as MetadataStore, 'goes-on')
      await put(stores[1] as MetadataStore, bucket, 'key')
    })

    test('refuses to end where a row is lost in the fence', PATIENCE, async () => {
      let isFenced = false
      await refused(
        move(randomUUID(), (source, target) => [
          {
            ...source,
            fence: async (id, durationMs) => {
              // As a change that was made just before it, and that does not arrive.
              await (stores[0] as MetadataStore).putRecord('iam', 'lost', Buffer.from('1'))
              await source.fence(id, durationMs)
              isFenced = true
            },
          },
          { ...target, change: async (rows) => (isFenced ? undefined : await target.change(rows)) },
        ]),
        'META_TRANSFER_FAILED',
      )
      await (stores[0] as MetadataStore).putRecord('iam', 'more', Buffer.from('1'))
    })

    test('is as it was when the move is abandoned', PATIENCE, async () => {
      const id = randomUUID()
      const running = Promise.all(writers.map((writer) => writer.run()))
      const source = await pair.openSource()
      await source.beginMove(id)
      await expect.poll(() => source.countJournal(10), { timeout: 60_000 }).toBe(10)
      const abandoning = move(id, (one, target) => [
        { ...one, fence: async (...args) => await source.abandonMove().then(() => one.fence(...args)) },
        target,
      ])
      await refused(abandoning, 'META_STORE_CLOSED')
      for (const writer of writers) writer.stop()
      await running
      expect(await source.readMove()).toBeUndefined()
      await (stores[0] as MetadataStore).putRecord('iam', 'after', Buffer.from('1'))
      expect(await source.countJournal(10)).toBe(0)
      await source.close()
      for (const writer of writers) await writer.expectIn(stores[0] as MetadataStore)
    })

    test('refuses writes while the fence stands, and no longer; reads go on', PATIENCE, async () => {
      const [store] = stores as [MetadataStore]
      const id = randomUUID()
      const source = await pair.openSource()
      await source.beginMove(id)
      await store.putRecord('iam', 'a', Buffer.from('1'))
      await source.fence(id, 30_000)
      const writes = [1, 2, 3].map((number) => store.putRecord('iam', `b-${number}`, Buffer.from('1')))
      for (const write of writes) expect(await refused(write, 'META_STORE_CLOSED')).toEqual({ closed: 'moving' })
      expect(await store.findRecord('iam', 'a')).toBeDefined()
      expect(await store.findRecord('iam', 'b-1')).toBeUndefined()
      expect(await source.finishMove(id)).toBe(false)
      await source.fence(id, 1)
      await expect.poll(() => store.putRecord('iam', 'c', Buffer.from('1')).catch(() => undefined)).toBeDefined()
      const rows = (await source.readJournal({ entryCount: 1_000, sizeBytes: 1_000_000 })).rows
      expect(rows.filter(({ table }) => table === 'records')).toHaveLength(2)
      await source.close()
    })

    test('says no more than that it was moved', PATIENCE, async () => {
      const [store] = stores as [MetadataStore]
      for (const writer of writers) writer.stop()
      await move(randomUUID())
      const closed = { closed: 'moved' }
      expect(await refused(store.putRecord('iam', 'late', Buffer.from('1')), 'META_STORE_CLOSED')).toEqual(closed)
      expect(await refused(pair.openStore(), 'META_STORE_CLOSED')).toEqual(closed)
      const again = await pair.openSource()
      await refused(again.abandonMove(), 'META_STORE_CLOSED')
      await refused(again.beginMove(randomUUID()), 'META_STORE_CLOSED')
      await again.close()
    })
  })
}
