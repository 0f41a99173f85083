/** How long the calls under way may take before a library is ended; others wait meanwhile. */
const IDLE_PATIENCE_MS = 1_000
/** How long a library that others have sessions with is not begun anew again. */
const RESTART_PAUSE_MS = 10_000

/**
 * A PKCS #11 library, which all threads of a process share. Some look only when they begin which tokens there are: one that has
 * read a token while another process wrote to it, or whose HSM was away, goes on without it until it is ended and begun anew.
 * `C_Finalize` is undefined while another thread is in the library, and takes every session with it (v2.40, section 5.4).
 */
export class HsmLibrary {
  static readonly #ofProcess = new Map<string, HsmLibrary>()

  static of(path: string): HsmLibrary {
    const library = HsmLibrary.#ofProcess.get(path) ?? new HsmLibrary()
    HsmLibrary.#ofProcess.set(path, library)
    return library
  }

  /** Counts beginnings: the handle of a session of an earlier one may be that of somebody else's now. */
  #epoch = 0
  #callsUnderWay = 0
  #hasSessions = false
  #restartedAtMs = Number.NEGATIVE_INFINITY
  #restart: Promise<unknown> | undefined
  #onIdle: (() => void) | undefined

  /** Before each call, which gets the epoch. Whoever entered leaves once, when the library has come back from the call. */
  async enter(): Promise<number> {
    while (this.#restart) await this.#restart
    this.#callsUnderWay++
    return this.#epoch
  }

  leave(): void {
    this.#callsUnderWay--
    if (this.#callsUnderWay === 0) this.#onIdle?.()
  }

  sessionOpened(): void {
    this.#hasSessions = true
  }

  /** Calls `end` while nobody is in it. False where a call does not come back, or others have sessions since a moment. */
  async endAlone(end: (epoch: number) => Promise<void>): Promise<boolean> {
    while (this.#restart) await this.#restart
    if (this.#hasSessions && performance.now() < this.#restartedAtMs + RESTART_PAUSE_MS) return false
    const ended = this.#idle().then(async (isIdle) => {
      if (!isIdle) return false
      this.#callsUnderWay++
      this.#hasSessions = false
      this.#restartedAtMs = performance.now()
      await end(this.#epoch++)
      return true
    })
    this.#restart = ended.catch(() => undefined)
    try {
      return await ended
    } finally {
      this.#restart = undefined
    }
  }

  async #idle(): Promise<boolean> {
    if (this.#callsUnderWay === 0) return true
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(resolve, IDLE_PATIENCE_MS, false)
    this.#onIdle = () => resolve(true)
    try {
      return await promise
    } finally {
      this.#onIdle = undefined
      clearTimeout(timer)
    }
  }
}
