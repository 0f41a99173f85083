import { type ChildProcess, fork } from 'node:child_process'
import type { Logger } from '@coffer/mesh'
import type { JobProcessMessage } from './job-messages.ts'
import { retryPauseMs } from './retry-pause.ts'
import { newWriterId } from './worker-pool.ts'

const LOOK_MS = 1_000
/** A run ends at its next object; then files are closed. */
const STOP_TIMEOUT_MS = 10_000

export interface JobProcessOptions {
  readonly logger: Logger
  readonly hasWork: () => Promise<boolean>
  /** Prepares a writer id for the process and returns what to tell it. */
  readonly startMessage: (writerId: string) => Promise<JobProcessMessage>
  /** Called when the process that had this writer id is certainly gone; `hasDied`: not at its own time. */
  readonly onGone: (writerId: string, hasDied: boolean) => Promise<void>
  /** Told of each process that is told to start. */
  readonly onStarting?: ((child: ChildProcess) => void) | undefined
}

/** A process for jobs, there while there are any: so that they take no turn from requests, and their death none with it. */
export class JobProcess {
  readonly #options: JobProcessOptions
  readonly #timer: NodeJS.Timeout
  #child: ChildProcess | undefined
  /** The look, or the life of the process, that is under way. */
  #busy: Promise<void> | undefined
  #isStopping = false
  #failureCount = 0
  #notBefore = 0

  constructor(options: JobProcessOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#tick(), LOOK_MS)
  }

  /** What runs is gone on with at the next start. */
  async stop(): Promise<void> {
    this.#isStopping = true
    clearInterval(this.#timer)
    const child = this.#child
    if (child?.connected) child.send({ kind: 'stop' } satisfies JobProcessMessage, () => {})
    const cutOff = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.#busy
    clearTimeout(cutOff)
  }

  #tick(): void {
    if (this.#busy !== undefined || Date.now() < this.#notBefore) return
    this.#busy = this.#lookAndRun()
      .catch((error: unknown) => this.#options.logger.error({ err: error }, 'jobs could not be looked for'))
      .finally(() => {
        this.#busy = undefined
      })
  }

  async #lookAndRun(): Promise<void> {
    if (!(await this.#options.hasWork()) || this.#isStopping) return
    const writerId = newWriterId()
    const message = await this.#options.startMessage(writerId)
    const hasDied = this.#isStopping ? false : await this.#runOne(message)
    await this.#options.onGone(writerId, hasDied && !this.#isStopping)
    this.#failureCount = hasDied ? this.#failureCount + 1 : 0
    if (hasDied) this.#notBefore = Date.now() + retryPauseMs(this.#failureCount - 1)
  }

  /** Whether it died; resolves when it is gone. */
  #runOne(message: JobProcessMessage): Promise<boolean> {
    const child = fork(new URL('./job-main.ts', import.meta.url), [], { serialization: 'advanced' })
    this.#child = child
    this.#options.onStarting?.(child)
    return new Promise((resolve) => {
      const gone = (code: number | null, signal: string | null) => {
        this.#child = undefined
        if (code !== 0 && !this.#isStopping) this.#options.logger.error({ code, signal }, 'the job process died')
        resolve(code !== 0)
      }
      child.once('exit', gone)
      child.once('error', (error) => {
        this.#options.logger.error({ err: error }, 'the job process could not be started')
        if (child.pid === undefined) gone(1, null)
      })
      child.send(message, () => {})
    })
  }
}
