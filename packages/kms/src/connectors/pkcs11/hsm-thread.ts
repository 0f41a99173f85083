import { Worker } from 'node:worker_threads'
import { kmsError } from '../../errors.ts'
import type { HsmAnswer, HsmCall, HsmRequest, HsmThreadData } from './hsm-calls.ts'
import { HsmLibrary } from './hsm-library.ts'

interface Waiting {
  readonly resolve: (answer: HsmAnswer) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** A thread with one session. A library's call can't be taken back: a thread that does not answer in time is given up. */
export class HsmThread {
  readonly #worker: Worker
  readonly #timeoutMs: number
  readonly #library: HsmLibrary
  readonly #waiting = new Map<number, Waiting>()
  #count = 0
  /** Calls that it has not answered, those that nobody waits for any more among them. */
  #unanswered = 0
  #isGivenUp = false
  #openedCount = 0

  constructor(data: HsmThreadData, timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.#library = HsmLibrary.of(data.library)
    this.#worker = new Worker(new URL('./hsm-worker.ts', import.meta.url), { workerData: data, execArgv: [] })
    this.#worker.unref()
    this.#worker.on('message', (answer: HsmAnswer) => {
      this.#leave()
      this.#settle(answer.number)?.resolve(answer)
    })
    this.#worker.on('error', () => this.#giveUp())
    this.#worker.on('exit', () => {
      while (this.#unanswered > 0) this.#leave()
      this.#giveUp()
    })
  }

  /** Calls that wait, the one that runs among them. */
  get load(): number {
    return this.#waiting.size
  }

  /** How many sessions it has had. */
  get openedCount(): number {
    return this.#openedCount
  }

  get isGivenUp(): boolean {
    return this.#isGivenUp
  }

  /** KMS_UNAVAILABLE: no answer in time. */
  async send(call: HsmCall): Promise<HsmAnswer> {
    const answer = await this.#ask(async (number) => {
      const epoch = await this.#library.enter()
      if (this.#waiting.has(number)) this.#post({ number, epoch, call })
      else this.#library.leave()
    })
    if (call.kind === 'open' && answer.kind === 'done') {
      this.#openedCount++
      this.#library.sessionOpened()
    }
    return answer
  }

  /** Ends the library for the whole process: the next session begins it anew. False where it is left as it is. */
  async endLibrary(): Promise<boolean> {
    return await this.#library.endAlone(async (epoch) => {
      await this.#ask(async (number) => this.#post({ number, epoch, call: { kind: 'end' } }))
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

  /** `post` is given the number of the call, which waits from now on. */
  #ask(post: (number: number) => Promise<void>): Promise<HsmAnswer> {
    if (this.#isGivenUp) return Promise.reject(kmsError('KMS_UNAVAILABLE'))
    const number = this.#count++
    return new Promise((resolve, reject) => {
      // What waits behind a call that hangs hangs as well.
      const timer = setTimeout(() => this.#giveUp(), this.#timeoutMs)
      this.#waiting.set(number, { resolve, reject, timer })
      post(number).catch(reject)
    })
  }

  #post(request: HsmRequest): void {
    this.#unanswered++
    this.#worker.postMessage(request)
  }

  #leave(): void {
    this.#unanswered--
    this.#library.leave()
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
