import { setTimeout as sleep } from 'node:timers/promises'
import type { JobHandler } from '@coffer/job-queue'
import { jobQueueContract } from '@coffer/job-queue/contract'
import { BullJobQueue } from '@coffer/job-queue/drivers/bullmq'
import { cuttable, MemoryJobRecords, skewed } from '@coffer/job-queue/testing/memory-job-records'
import { Queue } from 'bullmq'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../events/event-reading.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { type RedisServer, startRedis } from '../harness/redis-server.ts'

const TIMES = { takeoverMs: 3_000, restoreMs: 200 }
const PASSWORD = 'only-for-this-test'

describeWithPrograms('the BullMQ driver against Redis', ['redis-server'], (programs) => {
  let redis: Promise<RedisServer> | undefined
  let count = 0
  afterAll(async () => (await redis)?.stop())

  jobQueueContract('the BullMQ driver', async () => {
    redis ??= startRedis(programs['redis-server'], PASSWORD)
    const { url } = await redis
    const name = `jobs-${count++}`
    const records = new MemoryJobRecords()
    const opened = new Map<BullJobQueue, { isCut: boolean }>()
    return {
      open(clockMs = 0) {
        const cut = { isCut: false }
        const redis = { url, password: PASSWORD }
        const queue = new BullJobQueue({ redis, name, records: skewed(cuttable(records, cut), clockMs), ...TIMES })
        opened.set(queue, cut)
        return queue
      },
      async abandon(queue) {
        const cut = opened.get(queue as BullJobQueue)
        if (cut) cut.isCut = true
        ;(queue as BullJobQueue).disconnect()
        opened.delete(queue as BullJobQueue)
      },
      async dispose() {
        for (const queue of opened.keys()) await queue.close()
      },
    }
  })
})

const SUBMISSION = { kind: 'rewrap', request: { keyName: 'k1' }, submittedBy: 'tester' }

describeWithPrograms('jobs, when Redis', ['redis-server'], (programs) => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis(programs['redis-server'], PASSWORD)
  })
  afterAll(() => redis.stop())

  function openQueue(name: string, records = new MemoryJobRecords()): BullJobQueue {
    const settings = { url: redis.url, password: PASSWORD }
    return new BullJobQueue({ redis: settings, name, records, ...TIMES, takeoverMs: 5_000 })
  }

  const ended = (queue: BullJobQueue, id: string) =>
    eventually(
      () => queue.find(id),
      (job) => job?.endedAt !== undefined,
    )

  it('comes back empty, are rebuilt: none is lost, none is run twice, and what was paused or cancelled stays so', async () => {
    const records = new MemoryJobRecords()
    const [queue, other] = [openQueue('emptied', records), openQueue('emptied', records)]
    const runs = new Map<string, number>()
    let isLet = false
    const handler: JobHandler = async ({ job, tell, signal }) => {
      runs.set(job.id, (runs.get(job.id) ?? 0) + 1)
      for (let count = 0; !isLet && job.scheduleName === undefined; count++) {
        signal.throwIfAborted()
        await tell({ count })
        await sleep(20)
      }
      return {}
    }
    const submit = async () => (await queue.submit(SUBMISSION)).id
    const [paused, cancelled] = [await submit(), await submit()]
    await queue.pause(paused)
    await queue.cancel(cancelled)
    // One runs here, one there, and the others wait.
    const ids = [await submit(), await submit(), await submit(), await submit()]
    await queue.putSchedule({ ...SUBMISSION, name: 'often', timetable: { everyMs: 1_000 } })
    await queue.putSchedule({ ...SUBMISSION, name: 'rarely', timetable: { cron: '30 3 1 * *' } })
    const before = await queue.listSchedules()
    for (const one of [queue, other]) one.work(handler, { concurrency: 1 })
    await eventually(
      async () => runs.size,
      (count) => count >= 2,
    )
    await redis.kill()
    const late = await submit()
    await redis.start()
    // Longer than it takes to be rebuilt, and than a lease that nobody renews.
    await sleep(6_000)
    isLet = true
    for (const id of [...ids, late]) expect(await ended(queue, id)).toMatchObject({ id, state: 'completed' })
    for (const id of [...ids, late]) expect([id, runs.get(id)]).toEqual([id, 1])
    expect([await queue.find(paused), await queue.find(cancelled)]).toMatchObject([
      { state: 'paused' },
      { state: 'cancelled' },
    ])
    expect([runs.get(paused), runs.get(cancelled)]).toEqual([undefined, undefined])
    const scheduled = async () => (await queue.list({ limit: 100 })).filter(({ scheduleName }) => scheduleName)
    const count = (await scheduled()).length
    await eventually(scheduled, ({ length }) => length >= count + 2)
    expect((await scheduled()).length).toBeGreaterThanOrEqual(count + 2)
    expect((await queue.listSchedules()).find(({ name }) => name === 'rarely')).toEqual(before[1])
    await queue.resume(paused)
    expect(await ended(queue, paused)).toMatchObject({ state: 'completed' })
    for (const one of [queue, other]) await one.close()
  })

  it('was emptied while nobody worked, are rebuilt at the next start, and a time that was missed is made up for once', async () => {
    const records = new MemoryJobRecords()
    const queue = openQueue('idle', records)
    const { id } = await queue.submit(SUBMISSION)
    await queue.putSchedule({ ...SUBMISSION, name: 'missed', timetable: { everyMs: 1_000 } })
    await queue.close()
    await redis.kill()
    await sleep(1_200)
    await redis.start()
    // Once an hour from now on, so that what follows is not the next time.
    const schedule = [...records.rows].find(([key]) => key === 'schedule/missed')?.[1]
    const stored = JSON.parse(Buffer.from(schedule?.value ?? []).toString())
    const hourly = Buffer.from(JSON.stringify({ ...stored, timetable: { everyMs: 3_600_000 } }))
    await records.put('schedule/missed', hourly, schedule?.revision ?? 0)
    const queues = [openQueue('idle', records), openQueue('idle', records)]
    for (const one of queues) one.work(async () => ({}))
    const [first = queue] = queues
    expect(await ended(first, id)).toMatchObject({ state: 'completed' })
    const made = await eventually(
      async () => (await first.list({ limit: 100 })).filter(({ scheduleName }) => scheduleName === 'missed'),
      (jobs) => jobs.some(({ endedAt }) => endedAt !== undefined),
    )
    expect(made).toMatchObject([{ state: 'completed' }])
    for (const one of queues) await one.close()
  })

  it('holds what an older version put there, are taken over', async () => {
    const connection = { host: '127.0.0.1', port: redis.port, password: PASSWORD }
    const old = new Queue('old', { connection })
    const { request, submittedBy } = SUBMISSION
    await old.add('rewrap', { request, submittedBy }, { jobId: '0001' })
    await old.add('rewrap', { request, submittedBy, wanted: 'paused' }, { jobId: '0002', delay: 3_600_000 })
    await old.add('rewrap', { request, submittedBy, wanted: 'cancelled' }, { jobId: '0003' })
    const template = { name: 'rewrap', data: { request, submittedBy, scheduleName: 'yearly' } }
    await old.upsertJobScheduler('yearly', { pattern: '0 0 1 1 *', tz: 'UTC' }, template)
    const queue = openQueue('old')
    const runs: string[] = []
    queue.work(async ({ job }) => {
      runs.push(job.id)
      return {}
    })
    expect(await ended(queue, '0001')).toMatchObject({ ...SUBMISSION, state: 'completed' })
    const paused = await eventually(
      () => queue.find('0002'),
      (job) => job !== undefined,
    )
    expect(paused).toMatchObject({ ...SUBMISSION, state: 'paused' })
    await queue.resume('0002')
    await ended(queue, '0002')
    expect(await queue.listSchedules()).toMatchObject([
      { ...SUBMISSION, name: 'yearly', timetable: { cron: '0 0 1 1 *' } },
    ])
    const stamped = await eventually(
      async () => (await old.getJobScheduler('yearly'))?.template?.data?.stamp,
      (stamp) => stamp !== undefined,
    )
    expect(stamped).toMatch(/^[0-9a-f]{16}$/)
    expect(runs).toEqual(['0001', '0002'])
    await queue.removeSchedule('yearly')
    expect(await old.getJobSchedulers()).toEqual([])
    await queue.close()
    await old.close()
  })
})

describe('the BullMQ driver without Redis', () => {
  it('keeps what is submitted, says that the queue cannot be reached, and nothing of its password', async () => {
    const port = await freePort()
    const redis = { url: `redis://127.0.0.1:${port}`, password: 'very-secret' }
    const queue = new BullJobQueue({ redis, name: 'jobs', records: new MemoryJobRecords() })
    const error = await queue.assertReachable().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'JOB_QUEUE_UNAVAILABLE' })
    expect(`${error} ${JSON.stringify(error)} ${(error as Error).stack}`).not.toContain('very-secret')
    const { id } = await queue.submit(SUBMISSION)
    expect(await queue.find(id)).toMatchObject({ ...SUBMISSION, state: 'waiting' })
    await queue.close()
  })
})
