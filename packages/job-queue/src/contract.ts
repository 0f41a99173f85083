import { setTimeout as sleep } from 'node:timers/promises'
import { CofferError } from '@coffer/errors'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Job, JobHandler, JobQueue, JobRun, JsonObject } from './job-queue.ts'

/** A store of jobs under test, and queues on it, each as another process would have one. */
export interface JobQueueFixture {
  /** `clockMs`: how far the clock of its machine is ahead of this one's, as others see it in what it writes. */
  open(clockMs?: number): JobQueue
  /** As kill -9 leaves it: what the queue runs is not heard of any more. */
  abandon(queue: JobQueue): Promise<void>
  dispose(): Promise<void>
}

const PATIENCE = { timeout: 60_000, interval: 50 }
/** Of what is scheduled: how much earlier than asked a driver may submit it, as its times are those of a clock. */
const EARLY_MS_MAX = 500
const SUBMISSION = { kind: 'rewrap', request: { keyName: 'k1' }, submittedBy: 'tester' }

/** What every driver of the job queue must keep, run against the real thing. */
export function jobQueueContract(name: string, start: () => Promise<JobQueueFixture>): void {
  describe(`${name} keeps the promises of a job queue`, { timeout: 180_000 }, () => {
    let fixture: JobQueueFixture
    let queue: JobQueue
    beforeEach(async () => {
      fixture = await start()
      queue = fixture.open()
    })
    afterEach(() => fixture.dispose())

    const ended = async (id: string, state: Job['state'], from = queue): Promise<Job> =>
      vi.waitFor(async () => {
        const job = await from.find(id)
        expect(job?.state).toBe(state)
        return job as Job
      }, PATIENCE)

    it('runs a job and keeps what it was asked, what it told and how it ended', async () => {
      const submitted = await queue.submit(SUBMISSION)
      expect(submitted).toMatchObject({ ...SUBMISSION, state: 'waiting' })
      queue.work(async ({ tell }) => {
        await tell({ done: 1 })
        return { done: 2 }
      })
      const job = await ended(submitted.id, 'completed')
      expect(job).toMatchObject({ ...SUBMISSION, id: submitted.id, progress: { done: 1 }, result: { done: 2 } })
      expect(job.endedAt).toBeGreaterThanOrEqual(job.startedAt ?? Number.POSITIVE_INFINITY)
      expect(await fixture.open().find(submitted.id)).toEqual(job)
      expect(await queue.find('0'.repeat(24))).toBeUndefined()
    })

    it('keeps why a job failed, of our own errors only', async () => {
      const [ours, theirs] = [await queue.submit(SUBMISSION), await queue.submit({ ...SUBMISSION, kind: 'other' })]
      queue.work(async ({ job }) => {
        if (job.kind === 'other') throw new Error('a password')
        throw new CofferError({ code: 'KMS_KEY_NOT_FOUND', message: 'no such master key' })
      })
      expect(await ended(ours.id, 'failed')).toMatchObject({
        failure: { code: 'KMS_KEY_NOT_FOUND', message: 'no such master key' },
      })
      expect(JSON.stringify(await ended(theirs.id, 'failed'))).not.toContain('password')
    })

    it('lists the newest first, running and ended ones together', async () => {
      const ids: string[] = []
      for (let count = 0; count < 5; count++) {
        ids.push((await queue.submit({ ...SUBMISSION, request: { count } })).id)
        await sleep(3)
      }
      queue.work(async () => ({}))
      for (const id of ids) await ended(id, 'completed')
      const last = (await queue.submit(SUBMISSION)).id
      expect((await queue.list({ limit: 100 })).map(({ id }) => id)).toEqual([...ids, last].reverse())
      expect((await queue.list({ limit: 2 })).map(({ id }) => id)).toEqual([last, ids.at(-1)])
    })

    it('gives each job to one process', async () => {
      const runs = new Map<string, number>()
      const handler: JobHandler = async ({ job }) => {
        runs.set(job.id, (runs.get(job.id) ?? 0) + 1)
        await sleep(20)
        return {}
      }
      const ids = await Promise.all(Array.from({ length: 12 }, async () => (await queue.submit(SUBMISSION)).id))
      const others = [fixture.open(), fixture.open()]
      for (const worker of [queue, ...others]) worker.work(handler)
      for (const id of ids) await ended(id, 'completed')
      expect([...runs.values()]).toEqual(ids.map(() => 1))
    })

    it('pauses a run, which goes on from what it told when it is resumed', async () => {
      const begins: (JsonObject | undefined)[] = []
      const { id } = await queue.submit(SUBMISSION)
      queue.work(counting(begins))
      await vi.waitFor(async () => expect((await queue.find(id))?.progress?.count).toBeGreaterThan(1), PATIENCE)
      await fixture.open().pause(id)
      const paused = await ended(id, 'paused')
      await sleep(1_000)
      expect(await queue.find(id)).toEqual(paused)
      await queue.resume(id)
      await vi.waitFor(() => expect(begins).toHaveLength(2), PATIENCE)
      expect(begins[1]).toEqual(paused.progress)
      await queue.cancel(id)
      expect(await ended(id, 'cancelled')).toMatchObject({ kind: 'rewrap', progress: { count: expect.any(Number) } })
      expect(begins).toHaveLength(2)
    })

    it('neither runs what is paused nor what is cancelled before it was taken up', async () => {
      const [first, second] = [await queue.submit(SUBMISSION), await queue.submit(SUBMISSION)]
      await queue.pause(first.id)
      await queue.cancel(second.id)
      const handler = vi.fn(async () => ({}))
      queue.work(handler)
      await ended(second.id, 'cancelled')
      await ended(first.id, 'paused')
      expect(handler).not.toHaveBeenCalled()
      await queue.cancel(first.id)
      await ended(first.id, 'cancelled')
      expect(handler).not.toHaveBeenCalled()
    })

    it('a cancellation holds, whatever else is asked for at once by other processes', async () => {
      const ids = await Promise.all(Array.from({ length: 4 }, async () => (await queue.submit(SUBMISSION)).id))
      const begins: (JsonObject | undefined)[] = []
      queue.work(counting(begins), { concurrency: 2 })
      const others = [queue, fixture.open(), fixture.open()]
      await vi.waitFor(() => expect(begins.length).toBeGreaterThanOrEqual(2), PATIENCE)
      for (const id of ids) {
        const controls = others.flatMap((other, index) =>
          (['pause', 'resume', 'pause', index === 1 ? 'cancel' : 'resume', 'pause', 'resume'] as const).map(
            (control) => {
              return other[control](id).then(
                () => control,
                (error: unknown) => (error instanceof CofferError ? error.code : String(error)),
              )
            },
          ),
        )
        const answers = await Promise.all(controls)
        expect(answers.filter((answer) => answer === 'cancel')).toHaveLength(1)
        const allowed = ['pause', 'resume', 'cancel', 'JOB_STATE_INVALID']
        expect(answers.filter((answer) => !allowed.includes(answer))).toEqual([])
      }
      for (const id of ids) await ended(id, 'cancelled')
      const begun = begins.length
      await sleep(1_000)
      expect(begins).toHaveLength(begun)
    })

    it('names what cannot be done', async () => {
      const { id } = await queue.submit(SUBMISSION)
      queue.work(async () => ({}))
      await ended(id, 'completed')
      for (const control of ['pause', 'resume', 'cancel'] as const) {
        await expect(queue[control](id)).rejects.toMatchObject({ code: 'JOB_STATE_INVALID' })
        await expect(queue[control]('no-such-job')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
      }
      const huge = { ...SUBMISSION, request: { text: 'x'.repeat(70_000) } }
      await expect(queue.submit(huge)).rejects.toMatchObject({ code: 'JOB_REQUEST_TOO_LARGE' })
      for (const [scheduleName, timetable] of [
        ['a/b', { everyMs: 10_000 }],
        ['', { everyMs: 10_000 }],
        ['ok', { everyMs: 10 }],
        ['ok', { cron: '* * * * * *' }],
        ['ok', { cron: '61 * * * *' }],
        ['ok', { cron: 'rubbish' }],
      ] as const) {
        const put = queue.putSchedule({ ...SUBMISSION, name: scheduleName, timetable })
        await expect(put).rejects.toMatchObject({ code: 'JOB_SCHEDULE_INVALID' })
      }
      await expect(queue.removeSchedule('none')).rejects.toMatchObject({ code: 'JOB_SCHEDULE_NOT_FOUND' })
    })

    it('gives the job of a killed process to another, with what was told last', async () => {
      const { id } = await queue.submit(SUBMISSION)
      queue.work(counting([]))
      await vi.waitFor(async () => expect((await queue.find(id))?.progress?.count).toBeGreaterThan(1), PATIENCE)
      await fixture.abandon(queue)
      const begins: (JsonObject | undefined)[] = []
      const other = fixture.open()
      other.work(async ({ job }) => {
        begins.push(job.progress)
        return {}
      })
      await ended(id, 'completed', other)
      expect(begins).toHaveLength(1)
      expect(begins[0]?.count).toBeGreaterThan(1)
    })

    it.each([60_000, -60_000])('goes by no clock but its own: that of who runs a job is %i ms off', async (clockMs) => {
      const runner = fixture.open(clockMs)
      const { id } = await queue.submit(SUBMISSION)
      runner.work(counting([]))
      await vi.waitFor(async () => expect((await queue.find(id))?.progress?.count).toBeGreaterThan(1), PATIENCE)
      const begins: (JsonObject | undefined)[] = []
      queue.work(async ({ job }) => {
        begins.push(job.progress)
        return {}
      })
      // As long as it is heard of it keeps the job, and no longer.
      const countSoFar = Number((await queue.find(id))?.progress?.count)
      await vi.waitFor(
        async () => expect((await queue.find(id))?.progress?.count).toBeGreaterThan(countSoFar + 100),
        PATIENCE,
      )
      expect(begins).toEqual([])
      await fixture.abandon(runner)
      await ended(id, 'completed')
      expect(begins).toHaveLength(1)
    })

    it('hands its runs over when it closes', async () => {
      const { id } = await queue.submit(SUBMISSION)
      queue.work(counting([]))
      await vi.waitFor(async () => expect((await queue.find(id))?.state).toBe('running'), PATIENCE)
      await queue.close()
      const other = fixture.open()
      other.work(async () => ({}))
      await ended(id, 'completed', other)
    })

    it('submits what is scheduled once for each time, however many work, until the schedule is removed', async () => {
      const timetable = { everyMs: 1_500 }
      const begunAt = Date.now()
      const schedule = await queue.putSchedule({ ...SUBMISSION, name: 'often', timetable })
      expect(schedule).toMatchObject({ ...SUBMISSION, name: 'often', timetable })
      expect(schedule.nextAt).toBeGreaterThanOrEqual(begunAt + 1_500)
      expect(schedule.nextAt).toBeLessThanOrEqual(Date.now() + 1_500)
      expect(await fixture.open().listSchedules()).toMatchObject([{ ...SUBMISSION, name: 'often', timetable }])
      const times: number[] = []
      const handler: JobHandler = async () => {
        times.push(Date.now())
        return {}
      }
      const other = fixture.open()
      queue.work(handler)
      other.work(handler)
      await vi.waitFor(() => expect(times.length).toBeGreaterThan(2), PATIENCE)
      // A run may begin late, but none before its time.
      const early = times.filter((time, index) => time - begunAt < timetable.everyMs * (index + 1) - EARLY_MS_MAX)
      expect(early).toEqual([])
      await queue.removeSchedule('often')
      expect(await queue.listSchedules()).toEqual([])
      await sleep(1_000)
      const isOver = async () => (await queue.list({ limit: 100 })).every(({ endedAt }) => endedAt !== undefined)
      await vi.waitFor(async () => expect(await isOver()).toBe(true), PATIENCE)
      const count = times.length
      await sleep(2_500)
      expect(times.length).toBe(count)
      expect((await queue.list({ limit: 1 }))[0]).toMatchObject({ kind: 'rewrap', scheduleName: 'often' })
    })

    it('takes cron expressions in UTC', async () => {
      const schedule = await queue.putSchedule({ ...SUBMISSION, name: 'monthly', timetable: { cron: '30 3 1 * *' } })
      const next = new Date(schedule.nextAt)
      expect([next.getUTCDate(), next.getUTCHours(), next.getUTCMinutes()]).toEqual([1, 3, 30])
      expect(schedule.nextAt).toBeGreaterThan(Date.now())
      expect((await queue.listSchedules())[0]?.nextAt).toBe(schedule.nextAt)
      const again = await queue.putSchedule({ ...SUBMISSION, name: 'monthly', timetable: { cron: '0 4 2 * *' } })
      expect(await queue.listSchedules()).toMatchObject([{ timetable: { cron: '0 4 2 * *' }, nextAt: again.nextAt }])
      // The time to come is no job yet.
      expect(await queue.list({ limit: 10 })).toEqual([])
    })
  })
}

/** Counts on from where an earlier run was, until it is stopped. */
function counting(begins: (JsonObject | undefined)[]): JobHandler {
  return async ({ job, signal, tell }: JobRun) => {
    begins.push(job.progress)
    for (let count = Number(job.progress?.count ?? 0); ; count++) {
      signal.throwIfAborted()
      await tell({ count })
      await sleep(20)
    }
  }
}
