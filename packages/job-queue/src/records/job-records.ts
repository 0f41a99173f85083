import { isCofferError } from '@coffer/errors'
import { jobError } from '../errors.ts'
import type { Job, Schedule } from '../job-queue.ts'
import { ENDED_MAX } from '../limits.ts'

/** Where jobs are kept: the table `jobs` of the metadata store, in this process or over the mesh. */
export interface JobRecords {
  find(id: string): Promise<{ value: Uint8Array; revision: number } | undefined>
  /** `expectedRevision` 0: must not exist yet. META_RECORD_CHANGED. */
  put(id: string, value: Uint8Array, expectedRevision: number): Promise<void>
  remove(id: string): Promise<void>
  list(query: { prefix: string; afterId: string; limit: number }): Promise<readonly { id: string; value: Uint8Array }[]>
}

/** A job and who runs it. */
export interface StoredJob extends Job {
  /** The runner that has taken it up, and until when it is his without another word of him, by his clock (see LeaseWatch). */
  readonly runner?: string
  readonly leaseUntil?: number
}

interface Found<T> {
  readonly value: T
  readonly revision: number
}

/** Jobs that have not ended are apart from the others: looking for work costs what there is to do, not what was done. */
const OPEN = 'open/'
const ENDED = 'ended/'
const SCHEDULE = 'schedule/'
const PAGE = 500
const FORMAT = 1
const ATTEMPTS_MAX = 32

export class StoredJobs {
  readonly #records: JobRecords

  constructor(records: JobRecords) {
    this.#records = records
  }

  /** False: a job of this id is there already, open or ended. */
  async add(job: StoredJob): Promise<boolean> {
    if ((await this.#records.find(ENDED + job.id)) !== undefined) return false
    return this.#putNew(OPEN + job.id, job)
  }

  async find(id: string): Promise<StoredJob | undefined> {
    return (await this.#find<StoredJob>(ENDED + id))?.value ?? (await this.#find<StoredJob>(OPEN + id))?.value
  }

  open(): Promise<StoredJob[]> {
    return this.#list(OPEN)
  }

  /** Ids begin with the time: in their order, the oldest first. */
  ended(): Promise<StoredJob[]> {
    return this.#list(ENDED)
  }

  /**
   * Changes an open job, on top of what others change meanwhile. `change` returns undefined to leave it as it is; the result is
   * undefined then, and where no such job is open.
   */
  async change(id: string, change: (job: StoredJob) => StoredJob | undefined): Promise<StoredJob | undefined> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const found = await this.#find<StoredJob>(OPEN + id)
      if (found === undefined) return undefined
      const changed = change(found.value)
      if (changed === undefined) return undefined
      if (await this.#putOver(OPEN + id, changed, found.revision)) return changed
    }
    throw jobError('JOB_QUEUE_UNAVAILABLE', { id })
  }

  /** Moves a job that has ended out of the way. Killed in between, it is in both places and counts as ended. */
  async file(job: StoredJob): Promise<void> {
    await this.#putNew(ENDED + job.id, job)
    await this.#records.remove(OPEN + job.id)
    const ended = await this.#records.list({ prefix: ENDED, afterId: '', limit: ENDED_MAX + PAGE })
    for (const { id } of ended.slice(0, Math.max(0, ended.length - ENDED_MAX))) await this.#records.remove(id)
  }

  schedules(): Promise<Schedule[]> {
    return this.#list(SCHEDULE)
  }

  async putSchedule(schedule: Schedule): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const found = await this.#records.find(SCHEDULE + schedule.name)
      if (await this.#putOver(SCHEDULE + schedule.name, schedule, found?.revision ?? 0)) return
    }
    throw jobError('JOB_QUEUE_UNAVAILABLE', { schedule: schedule.name })
  }

  /** Moves a schedule on, unless another process has, or it was changed or removed. */
  async advance(schedule: Schedule, nextAt: number): Promise<void> {
    const found = await this.#find<Schedule>(SCHEDULE + schedule.name)
    if (found?.value.nextAt !== schedule.nextAt) return
    await this.#putOver(SCHEDULE + schedule.name, { ...found.value, nextAt }, found.revision)
  }

  async removeSchedule(name: string): Promise<boolean> {
    if ((await this.#records.find(SCHEDULE + name)) === undefined) return false
    await this.#records.remove(SCHEDULE + name)
    return true
  }

  async #list<T>(prefix: string): Promise<T[]> {
    const values: T[] = []
    for (let afterId = ''; ; ) {
      const page = await this.#records.list({ prefix, afterId, limit: PAGE })
      for (const { id, value } of page) values.push(decode<T>(id, value))
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) return values
      afterId = last.id
    }
  }

  async #find<T>(id: string): Promise<Found<T> | undefined> {
    const record = await this.#records.find(id)
    return record && { value: decode<T>(id, record.value), revision: record.revision }
  }

  #putNew(id: string, value: object): Promise<boolean> {
    return this.#putOver(id, value, 0)
  }

  async #putOver(id: string, value: object, revision: number): Promise<boolean> {
    try {
      await this.#records.put(id, Buffer.from(JSON.stringify({ format: FORMAT, ...value })), revision)
      return true
    } catch (error) {
      if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
      return false
    }
  }
}

function decode<T>(id: string, value: Uint8Array): T {
  try {
    const { format, ...rest } = JSON.parse(Buffer.from(value).toString())
    if (format === FORMAT) return rest as T
  } catch (cause) {
    throw jobError('JOB_RECORD_DAMAGED', { id }, { cause })
  }
  throw jobError('JOB_RECORD_DAMAGED', { id })
}
