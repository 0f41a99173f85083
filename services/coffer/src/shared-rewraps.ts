import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { CofferError } from '@coffer/errors'
import type { Logger } from '@coffer/mesh'
import type { RewrapBatchWorker } from '@coffer/service-rotation'
import type { JobStart } from './job-messages.ts'
import type { RewrapHelperAnswer, RewrapHelperMessage } from './rewrap-messages.ts'

/** More than this wait for each other's turn to write: the store has one writer at a time. */
const HELPERS_MAX = 3
/** A start costs half a second of processor time: what is done sooner needs no help. */
const UNAIDED_OBJECTS = 4096
/** Fewer at once, as under a rate limit, and one process is enough. */
const UNAIDED_BATCHES = 8
const IDLE_MS = 10_000

type Batch = Parameters<RewrapBatchWorker>[0]
type Outcomes = Awaited<ReturnType<RewrapBatchWorker>>

export interface SharedRewrapsOptions {
  readonly logger: Logger
  /** What this process does itself. */
  readonly own: RewrapBatchWorker
  readonly startMessage: () => Omit<JobStart, 'writerId'>
}

/**
 * Shares the batches of rewraps with processes forked for them, each with its own handle of the store. A helper that dies takes
 * nothing with it: its batches are done again here, where what it had finished needs nothing more.
 */
export class SharedRewraps {
  readonly #options: SharedRewrapsOptions
  readonly #helpersMax = Math.min(HELPERS_MAX, availableParallelism() - 1)
  readonly #helpers = new Set<RewrapHelper>()
  #active = 0
  #ownActive = 0
  #objectCount = 0
  #hasFailed = false
  #idle: NodeJS.Timeout | undefined

  constructor(options: SharedRewrapsOptions) {
    this.#options = options
  }

  readonly work: RewrapBatchWorker = async (batch) => {
    clearTimeout(this.#idle)
    this.#objectCount += batch.entries.length
    this.#active += 1
    this.#startSome()
    try {
      return await this.#least(batch)
    } finally {
      this.#active -= 1
      if (this.#active === 0) this.#idle = setTimeout(() => this.close(), IDLE_MS).unref()
    }
  }

  /** Helpers end; batches go on here. */
  close(): void {
    for (const helper of this.#helpers) helper.end()
    this.#helpers.clear()
    this.#objectCount = 0
    this.#hasFailed = false
  }

  /** By whoever has the fewest under way. */
  async #least(batch: Batch): Promise<Outcomes> {
    const ready = [...this.#helpers].filter(({ isReady }) => isReady)
    const least = ready.sort((a, b) => a.active - b.active)[0]
    if (least !== undefined && least.active <= this.#ownActive) {
      const outcomes = await least.work(batch)
      if (outcomes !== 'gone') return outcomes
    }
    this.#ownActive += 1
    try {
      return await this.#options.own(batch)
    } finally {
      this.#ownActive -= 1
    }
  }

  #startSome(): void {
    if (this.#hasFailed || this.#objectCount < UNAIDED_OBJECTS || this.#ownActive < UNAIDED_BATCHES) return
    while (this.#helpers.size < this.#helpersMax) {
      const helper: RewrapHelper = new RewrapHelper(this.#options.startMessage(), (hasFailed) => {
        this.#helpers.delete(helper)
        if (!hasFailed) return
        // One that can't live is not tried again while this lasts.
        this.#hasFailed = true
        this.#options.logger.warn('a helper of a rewrap died; the job goes on without it')
      })
      this.#helpers.add(helper)
    }
  }
}

class RewrapHelper {
  isReady = false
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve(outcomes: Outcomes | 'gone'): void; reject(error: unknown): void }>()
  #nextId = 0

  constructor(message: Omit<JobStart, 'writerId'>, onGone: (hasFailed: boolean) => void) {
    this.#child = fork(new URL('./rewrap-main.ts', import.meta.url), [], { serialization: 'advanced' })
    this.#child.on('message', (answer: RewrapHelperAnswer) => this.#take(answer))
    const gone = (hasFailed: boolean) => {
      this.isReady = false
      for (const { resolve } of this.#waiting.values()) resolve('gone')
      this.#waiting.clear()
      onGone(hasFailed)
    }
    this.#child.once('exit', (code) => gone(code !== 0))
    this.#child.on('error', () => {
      if (this.#child.pid === undefined) gone(true)
    })
    this.#tell({ kind: 'start', ...message })
  }

  get active(): number {
    return this.#waiting.size
  }

  /** `gone`: it has died; nobody knows how much of the batch is done. */
  work(batch: Batch): Promise<Outcomes | 'gone'> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#tell({ kind: 'batch', id, batch })
    })
  }

  end(): void {
    if (this.#child.connected) this.#child.disconnect()
  }

  #take(answer: RewrapHelperAnswer): void {
    if (answer.kind === 'ready') {
      this.isReady = true
      return
    }
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (answer.kind === 'done') waiting?.resolve(answer.outcomes)
    else waiting?.reject(new CofferError({ code: answer.code, message: answer.message }))
  }

  /** A channel that is closed: the exit that follows settles what waits. */
  #tell(message: RewrapHelperMessage): void {
    this.#child.send(message, () => undefined)
  }
}
