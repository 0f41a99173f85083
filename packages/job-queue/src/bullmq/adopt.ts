import type { Job as BullJob, Queue } from 'bullmq'
import type { StoredJobs } from '../records/job-records.ts'
import { reached, type StoredScheduler, type Ticket, timetableOf } from './tickets.ts'

/* Jobs and schedules that an older version put into Redis were nowhere else: they are taken over into the metadata store. */

/** The job that such a ticket is, as it is in the metadata store from now on; undefined: it was none, or cancelled. */
export async function adoptJob(ticket: BullJob<Ticket>, jobs: StoredJobs): Promise<string | undefined> {
  const { request, submittedBy = '', scheduleName, wanted } = ticket.data
  if (request === undefined || ticket.id === undefined || wanted === 'cancelled') return undefined
  const { id, name: kind, timestamp: submittedAt, progress } = ticket
  await jobs.add({
    ...{ id, kind, request, submittedBy, submittedAt },
    ...(scheduleName !== undefined && { scheduleName }),
    ...(typeof progress === 'object' && { progress: progress as NonNullable<Ticket['request']> }),
    state: wanted === 'paused' ? 'paused' : 'waiting',
  })
  return id
}

export async function adoptAll(queue: Queue<Ticket>, jobs: StoredJobs): Promise<void> {
  const known = new Set((await jobs.schedules()).map(({ name }) => name))
  for (const scheduler of (await reached(() => queue.getJobSchedulers())) as readonly StoredScheduler[]) {
    const { key, name: kind, next: nextAt = 0, template } = scheduler
    const { request, submittedBy = '', stamp } = template?.data ?? {}
    if (stamp !== undefined || request === undefined || known.has(key)) continue
    await jobs.putSchedule({ name: key, kind, request, submittedBy, timetable: timetableOf(scheduler), nextAt })
  }
  // Not the active ones: a process of the older version may be at them. When it has died, their tickets come to us.
  for (const ticket of await reached(() => queue.getJobs(['waiting', 'prioritized', 'delayed']))) {
    // The next job of a schedule is none yet.
    const isToCome = ticket?.data.scheduleName !== undefined && ticket.data.wanted === undefined
    if (ticket !== undefined && ticket.data.id === undefined && !isToCome) await adoptJob(ticket, jobs)
  }
}
