import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { jobQueueContract } from '../contract.ts'
import { cuttable, MemoryJobRecords, skewed } from '../testing/memory-job-records.ts'
import { EmbeddedJobQueue } from './embedded.ts'

jobQueueContract('the embedded driver', async () => {
  const records = new MemoryJobRecords()
  const opened = new Map<EmbeddedJobQueue, { isCut: boolean }>()
  return {
    open(clockMs = 0) {
      const cut = { isCut: false }
      const queue = new EmbeddedJobQueue({
        records: skewed(cuttable(records, cut), clockMs),
        takeoverMs: 1_000,
        pollMs: 50,
      })
      opened.set(queue, cut)
      return queue
    },
    async abandon(queue) {
      const cut = opened.get(queue as EmbeddedJobQueue)
      if (cut) cut.isCut = true
    },
    async dispose() {
      for (const queue of opened.keys()) await queue.close()
    },
  }
})

describe('the embedded driver', () => {
  it('knows whether there is something to do', async () => {
    const queue = new EmbeddedJobQueue({ records: new MemoryJobRecords(), pollMs: 10 })
    expect(await queue.hasWork()).toBe(false)
    const { id } = await queue.submit({ kind: 'a', request: {}, submittedBy: '' })
    expect(await queue.hasWork()).toBe(true)
    await queue.pause(id)
    expect(await queue.hasWork()).toBe(false)
    await queue.close()
  })

  it('counts a job as ended that was killed between its end and its being filed', async () => {
    const records = new MemoryJobRecords()
    const queue = new EmbeddedJobQueue({ records, pollMs: 10 })
    const { id } = await queue.submit({ kind: 'a', request: {}, submittedBy: '' })
    const remove = records.remove.bind(records)
    records.remove = async () => undefined
    await queue.cancel(id)
    records.remove = remove
    expect((await queue.list({ limit: 10 })).map(({ state }) => state)).toEqual(['cancelled'])
    let runs = 0
    queue.work(async () => ({ runs: ++runs }))
    await expect.poll(() => records.rows.has(`open/${id}`)).toBe(false)
    expect(runs).toBe(0)
    await queue.close()
  })

  it('forgets the oldest of those that have ended past 1,000', async () => {
    const records = new MemoryJobRecords()
    const queue = new EmbeddedJobQueue({ records, pollMs: 10 })
    const first = await queue.submit({ kind: 'a', request: {}, submittedBy: '' })
    await queue.cancel(first.id)
    await sleep(5)
    for (let count = 0; count < 1000; count++) {
      await queue.cancel((await queue.submit({ kind: 'a', request: { count }, submittedBy: '' })).id)
    }
    expect(await queue.find(first.id)).toBeUndefined()
    expect(await queue.list({ limit: 2000 })).toHaveLength(1000)
    await queue.close()
  })
})
