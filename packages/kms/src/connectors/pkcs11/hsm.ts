import { insecureExportKeyBytes, type Secret } from '@coffer/crypto-core'
import { kmsError } from '../../errors.ts'
import type { KmsRecords } from '../../kms-connector.ts'
import type { HsmAnswer, HsmThreadData, HsmWork } from './hsm-calls.ts'
import { HsmThread } from './hsm-thread.ts'
import type { Pkcs11Options } from './options.ts'
import { readPin } from './pin.ts'
import { RefusedPin } from './refused-pin.ts'
import { errorOfAnswer, isPinRefusal } from './return-values.ts'

type Done = Extract<HsmAnswer, { kind: 'done' }>
type Failed = Extract<HsmAnswer, { kind: 'failed' }>

/** A session may be lost again before its call: whenever somebody begins the library anew, and with them all of a token. */
const OPENINGS_MAX = 5

/** A token, through a few sessions. Opens them when they are needed, and again when they are lost. */
export class Hsm {
  readonly #options: Pkcs11Options
  readonly #data: HsmThreadData
  readonly #threads: HsmThread[] = []
  /** A token locks itself after a few wrong PINs: the same one is never tried twice here, and hardly by other processes. */
  #refusedPin: Secret | undefined
  readonly #refusedFile: RefusedPin
  #opening: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: Pkcs11Options, records: KmsRecords) {
    this.#options = options
    this.#refusedFile = new RefusedPin(records, options.tokenLabel, options.pinFile)
    const { library, tokenLabel, tokenSerial } = options
    this.#data = { library, tokenLabel, tokenSerial }
  }

  /** What the token made of it. KMS_UNAVAILABLE, KMS_ACCESS_DENIED: there is no session to be had. */
  async run(call: HsmWork): Promise<Done | Failed> {
    const thread = this.#leastBusy()
    for (let openings = 0; openings <= OPENINGS_MAX; openings++) {
      const lostAfter = thread.openedCount
      const answer = await thread.send(call)
      if (answer.kind !== 'closed') return answer
      if (openings < OPENINGS_MAX) await this.#open(thread, lostAfter)
    }
    throw kmsError('KMS_UNAVAILABLE')
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#refusedPin?.wipe()
    await Promise.all(this.#threads.splice(0).map((thread) => thread.close()))
  }

  #leastBusy(): HsmThread {
    if (this.#isClosed) throw kmsError('KMS_UNAVAILABLE')
    for (const [index, thread] of [...this.#threads.entries()].reverse()) {
      if (thread.isGivenUp) this.#threads.splice(index, 1)
    }
    const idle = this.#threads.find(({ load }) => load === 0)
    if (idle !== undefined) return idle
    if (this.#threads.length < this.#options.sessions) {
      const thread = new HsmThread(this.#data, this.#options.timeoutMs)
      this.#threads.push(thread)
      return thread
    }
    return this.#threads.reduce((least, thread) => (thread.load < least.load ? thread : least))
  }

  /** One at a time, so that a wrong PIN is tried once; and once for all calls that found the same session closed. */
  #open(thread: HsmThread, lostAfter: number): Promise<void> {
    const opened = this.#opening.then(async () => {
      if (thread.openedCount === lostAfter) await this.#openNow(thread)
    })
    this.#opening = opened.catch(() => undefined)
    return opened
  }

  async #openNow(thread: HsmThread): Promise<void> {
    const file = await this.#refusedFile.version()
    const pin = await readPin(this.#options)
    let isRefused = false
    try {
      if (this.#refusedPin?.equals(pin) || (await this.#refusedFile.isRefused(file))) {
        throw kmsError('KMS_ACCESS_DENIED', { reason: 'this PIN was refused before' })
      }
      const answer = await this.#login(thread, pin)
      if (answer.kind === 'done') return
      isRefused = answer.kind === 'failed' && isPinRefusal(answer)
      if (isRefused) await this.#refusedFile.remember(file)
      throw answer.kind === 'failed' ? errorOfAnswer(answer) : kmsError('KMS_UNAVAILABLE')
    } finally {
      if (isRefused) {
        this.#refusedPin?.wipe()
        this.#refusedPin = pin
      } else {
        pin.wipe()
      }
    }
  }

  /** Where the library is not well it is begun anew, once: what it has read of its tokens it may never read again. */
  async #login(thread: HsmThread, pin: Secret): Promise<HsmAnswer> {
    const open = (): Promise<HsmAnswer> => thread.send({ kind: 'open', pin: insecureExportKeyBytes(pin) })
    const answer = await open()
    const isUnwell = answer.kind === 'failed' && errorOfAnswer(answer).code === 'KMS_UNAVAILABLE'
    return isUnwell && (await thread.endLibrary()) ? await open() : answer
  }
}
