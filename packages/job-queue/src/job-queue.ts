export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue | undefined }
export type JsonObject = { readonly [name: string]: JsonValue | undefined }

export type JobState = 'waiting' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled'

/** A job as it stands. Times are milliseconds since 1970. */
export interface Job {
  readonly id: string
  readonly kind: string
  /** What is to be done, checked by whoever runs this kind of job. Never holds a secret. */
  readonly request: JsonObject
  readonly submittedBy: string
  readonly submittedAt: number
  /** The schedule that submitted it. */
  readonly scheduleName?: string
  readonly state: JobState
  /** What a run that has not yet noticed is to stop as. */
  readonly wanted?: 'paused' | 'cancelled'
  /** When it was first taken up. */
  readonly startedAt?: number
  readonly endedAt?: number
  /** What the run told last: where it is, and what it has done. Kept when it ends. */
  readonly progress?: JsonObject
  /** Of a completed job. */
  readonly result?: JsonObject
  /** Of a failed one. */
  readonly failure?: { readonly code: string; readonly message: string }
}

export interface JobSubmission {
  readonly kind: string
  readonly request: JsonObject
  readonly submittedBy: string
}

/** When a schedule submits its job: by a cron expression of five fields in UTC, or each so many milliseconds. */
export type Timetable = { readonly cron: string } | { readonly everyMs: number }

export interface Schedule extends JobSubmission {
  /** 1 to 64 of A-Z a-z 0-9 . _ - */
  readonly name: string
  readonly timetable: Timetable
  readonly nextAt: number
}

/** One run of a job, in the process that took it up. */
export interface JobRun {
  /** As it stood when it was taken up, with what an earlier run told last. */
  readonly job: Job
  /** Aborted when the run is to end soon: paused, cancelled, the queue closes, or another process has taken the job over. */
  readonly signal: AbortSignal
  /** Stores where the run is: what the next run is given, should this one not come to its end. */
  tell(progress: JsonObject): Promise<void>
}

/** Resolves with the job's result; rejects when it fails, and soon after the signal is aborted. */
export type JobHandler = (run: JobRun) => Promise<JsonObject>

export interface WorkOptions {
  /** Jobs that run at once in this process. */
  readonly concurrency?: number
}

/**
 * Jobs that outlive the process which runs them. Promises:
 *
 * 1. A submitted job is on stable storage (as far as the driver's store has it), and is run until it ends or is cancelled.
 * 2. One process runs a job at a time. When it is killed, another takes the job up within `takeoverMs`, from what was told last.
 * 3. A paused job is not run until it is resumed; a cancelled one never again. What they have told is kept.
 * 4. A schedule submits each of its jobs once, whatever number of processes work, and makes up for lost time with one job.
 *
 * The contract suite is `@coffer/job-queue/contract`. Failures are CofferErrors with the codes in `errors.ts`.
 */
export interface JobQueue {
  /** JOB_REQUEST_TOO_LARGE. */
  submit(submission: JobSubmission): Promise<Job>
  find(id: string): Promise<Job | undefined>
  /** Newest first; the last 1,000 that have ended are kept. */
  list(query: { limit: number }): Promise<readonly Job[]>
  /**
   * JOB_NOT_FOUND; JOB_STATE_INVALID for one that has ended or is cancelled, likewise below. Whatever is asked for at once, by
   * whatever number of processes: a cancellation that was accepted holds, and of the others the last does.
   */
  pause(id: string): Promise<Job>
  resume(id: string): Promise<Job>
  cancel(id: string): Promise<Job>
  /** Makes or replaces a schedule. JOB_SCHEDULE_INVALID, JOB_REQUEST_TOO_LARGE. */
  putSchedule(schedule: Omit<Schedule, 'nextAt'>): Promise<Schedule>
  listSchedules(): Promise<readonly Schedule[]>
  /** JOB_SCHEDULE_NOT_FOUND. What it has submitted stays. */
  removeSchedule(name: string): Promise<void>
  /** Takes up jobs in this process, until the queue is closed. */
  work(handler: JobHandler, options?: WorkOptions): void
  /** Resolves when the runs of this process have ended; their jobs are taken up again by others. */
  close(): Promise<void>
}
