import { Worker } from 'node:worker_threads'
import { kmsError } from '../../errors.ts'
import type { HsmAnswer, HsmCall, HsmThreadData } from './hsm-calls.ts'

interface Waiting {
  readonly resolve: (answer: HsmAnswer) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** A thread with one session. A library's call can't be taken back: a thread that does not answer in time is given up. */
export class HsmThread {
  readonly #worker: Worker
  readonly #timeoutMs: number
  readonly #waiting = new Map<number, Waiting>()
  #count = 0
  #isGivenUp = false

  constructor(data: HsmThreadData, timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.#worker = new Worker(new URL('./hsm-worker.ts', import.meta.url), { workerData: data, execArgv: [] })
    this.#worker.unref()
    this.#worker.on('message', (answer: HsmAnswer) => this.#settle(answer.number)?.resolve(answer))
    this.#worker.on('error', () => this.#giveUp())
    this.#worker.on('exit', () => this.#giveUp())
  }

  /** Calls that wait, the one that runs among them. */
  get load(): number {
    return this.#waiting.size
  }

  get isGivenUp(): boolean {
    return this.#isGivenUp
  }

  /** KMS_UNAVAILABLE: no answer in time. */
  send(call: HsmCall): Promise<HsmAnswer> {
    if (this.#isGivenUp) return Promise.reject(kmsError('KMS_UNAVAILABLE'))
    const number = this.#count++
    return new Promise((resolve, reject) => {
      // What waits behind a call that hangs hangs as well.
      const timer = setTimeout(() => this.#giveUp(), this.#timeoutMs)
      this.#waiting.set(number, { resolve, reject, timer })
      this.#worker.postMessage({ number, call })
    })
  }

  async close(): Promise<void> {
    this.#giveUp()
    // A thread that hangs in the library does not end: it goes with the process.
    await Promise.race([
      this.#worker.terminate(),
      new Promise((resolve) => setTimeout(resolve, this.#timeoutMs).unref()),
    ])
  }

  #settle(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    clearTimeout(waiting?.timer)
    return waiting
  }

  #giveUp(): void {
    this.#isGivenUp = true
    for (const number of [...this.#waiting.keys()]) this.#settle(number)?.reject(kmsError('KMS_UNAVAILABLE'))
  }
}
