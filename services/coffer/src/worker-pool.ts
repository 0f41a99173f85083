import cluster, { type Worker } from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { CofferError } from '@coffer/errors'
import type { Logger } from '@coffer/mesh'
import { cofferError } from './errors.ts'
import { HandedConnections } from './handed-connections.ts'
import { retryPauseMs } from './retry-pause.ts'
import type { SupervisorMessage, WorkerMessage } from './worker-messages.ts'

/** A worker that lasted this long was no failed start: the next one begins without a pause again. */
const STEADY_AFTER_MS = 30_000
/** After its drain time a worker gets this long to close its files. */
const CLOSE_TIMEOUT_MS = 2_000

export interface WorkerPoolOptions {
  readonly logger: Logger
  /** Prepares a writer id for a new worker and returns what to tell it. */
  readonly startMessage: (writerId: string) => Promise<SupervisorMessage>
  /** Called when the process that had this writer id is certainly gone; `hasDied`: without having been told to stop. */
  readonly onGone: (writerId: string, hasDied: boolean) => Promise<void>
  /** Told of each process that is told to start. */
  readonly onStarting?: ((worker: Worker) => void) | undefined
}

/** 16 hex characters: see WriterId of the metadata store. */
export function newWriterId(): string {
  return randomBytes(8).toString('hex')
}

/** One heap for all threads (mallopt(3), M_ARENA_MAX): several hold on to more of what was freed. Costs no speed that was seen. */
const WORKER_ENVIRONMENT = { MALLOC_ARENA_MAX: '1' }

/**
 * The worker processes: forked while the supervisor still opens the store, told to start when it has, replaced when they
 * die, told to stop at the end.
 */
export class WorkerPool {
  readonly #count: number
  readonly #workers = new Set<Worker>()
  readonly #retiring = new Set<Promise<void>>()
  readonly #handed = new HandedConnections()
  #options: WorkerPoolOptions | undefined
  #isStopping = false
  #failureCount = 0

  /** Forks at once: a worker loads its code meanwhile, and waits for its start message. */
  constructor(count: number) {
    this.#count = count
    cluster.setupPrimary({
      exec: new URL('./worker-main.ts', import.meta.url).pathname,
      args: [],
      serialization: 'advanced',
    })
    for (let index = 0; index < count; index++) this.#fork()
  }

  /** Resolves with the port when all workers listen; rejects with the first failure. */
  async start(options: WorkerPoolOptions): Promise<number> {
    this.#options = options
    const ports = await Promise.all([...this.#workers].map((worker) => this.#startWorker(worker, options)))
    return ports[0] ?? 0
  }

  /** Graceful: requests in flight have `drainMs`. Resolves when every worker is gone and retired. */
  async stop(drainMs: number): Promise<void> {
    this.#isStopping = true
    await Promise.all([...this.#workers].map((worker) => stopWorker(worker, drainMs)))
    this.#handed.closeAll()
    await Promise.all(this.#retiring)
  }

  /** Tells all workers to read their certificates again. */
  reload(): void {
    const message: SupervisorMessage = { kind: 'reload' }
    for (const worker of this.#workers) if (worker.isConnected()) worker.send(message, () => {})
  }

  /** At once: for a start that failed. */
  kill(): void {
    this.#isStopping = true
    for (const worker of this.#workers) worker.process.kill('SIGKILL')
  }

  async #startWorker(worker: Worker, options: WorkerPoolOptions): Promise<number> {
    const writerId = newWriterId()
    const startedAt = Date.now()
    const ready = firstAnswer(worker)
    worker.once('exit', () => {
      this.#workers.delete(worker)
      const retired = options.onGone(writerId, !this.#isStopping).catch((error: unknown) => {
        options.logger.error({ err: error, writerId }, 'a writer could not be retired; it will be at the next start')
      })
      this.#retiring.add(retired)
      void retired.then(() => this.#retiring.delete(retired))
    })
    options.onStarting?.(worker)
    worker.send(await options.startMessage(writerId))
    const port = await ready
    worker.once('exit', (code, signal) => this.#replace(code, signal, Date.now() - startedAt))
    return port
  }

  #replace(code: number, signal: string, lastedMs: number): void {
    const options = this.#options
    if (this.#isStopping || !options) return
    this.#failureCount = lastedMs > STEADY_AFTER_MS ? 0 : this.#failureCount + 1
    const pauseMs = this.#failureCount <= 1 ? 0 : retryPauseMs(this.#failureCount - 2)
    options.logger.error({ code, signal, pauseMs }, 'a worker died; another takes its place')
    setTimeout(() => this.#forkReplacement(options), pauseMs)
  }

  #fork(): Worker {
    const worker = cluster.fork(WORKER_ENVIRONMENT)
    this.#workers.add(worker)
    this.#handed.follow(worker)
    return worker
  }

  #forkReplacement(options: WorkerPoolOptions): void {
    if (this.#isStopping || this.#workers.size >= this.#count) return
    const worker = this.#fork()
    const startedAt = Date.now()
    this.#startWorker(worker, options).then(
      () => options.logger.info('the new worker is ready'),
      (error: unknown) => {
        options.logger.error({ err: error }, 'the new worker could not start')
        if (worker.isDead()) this.#replace(1, '', Date.now() - startedAt)
        else worker.once('exit', (code, signal) => this.#replace(code, signal, Date.now() - startedAt))
      },
    )
  }
}

/** The port, once the worker listens; rejects if it says that it can't, or dies. */
function firstAnswer(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'ready') resolve(message.port)
      else if (message.kind === 'failed') reject(new CofferError(message.error))
    })
    worker.once('exit', (code, signal) => {
      reject(cofferError('COFFER_WORKER_FAILED', `it ended with ${signal ?? `status ${code}`} before it was ready`))
    })
  })
}

async function stopWorker(worker: Worker, drainMs: number): Promise<void> {
  if (worker.isDead()) return
  const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  const message: SupervisorMessage = { kind: 'stop', drainMs }
  if (worker.isConnected()) worker.send(message, () => {})
  const cutOff = setTimeout(() => worker.process.kill('SIGKILL'), drainMs + CLOSE_TIMEOUT_MS)
  await gone
  clearTimeout(cutOff)
}
