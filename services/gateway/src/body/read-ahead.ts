import type { IncomingMessage } from 'node:http'

/** More than this is left to the connection until what is here has been taken. */
const AHEAD_BYTES_MAX = 256 * 1024

/**
 * What has come of a request's body since it was last asked for, at once: whoever hashes and seals it does so once for each turn
 * of the event loop, not for each read from the socket. Rejects when the client goes away.
 */
export class ReadAhead {
  readonly #request: IncomingMessage
  #pieces: Buffer[] = []
  #heldBytes = 0
  #failure: unknown
  #isEnded = false
  #isWaking = false
  #wake: (() => void) | undefined

  readonly #onData = (piece: Buffer) => {
    this.#pieces.push(piece)
    this.#heldBytes += piece.length
    if (this.#heldBytes >= AHEAD_BYTES_MAX) this.#request.pause()
    this.#wakeSoon()
  }
  readonly #onEnd = () => {
    this.#isEnded = true
    this.#wakeSoon()
  }
  readonly #onError = (error: unknown) => {
    this.#failure ??= error
    this.#wakeSoon()
  }
  readonly #onClose = () => {
    if (!this.#isEnded) this.#onError(new Error('the connection was closed before the end of the body'))
  }

  constructor(request: IncomingMessage) {
    this.#request = request
    request.on('data', this.#onData)
    request.on('end', this.#onEnd)
    request.on('error', this.#onError)
    request.on('close', this.#onClose)
  }

  /** Undefined after the last. */
  async next(): Promise<readonly Buffer[] | undefined> {
    while (this.#failure === undefined) {
      const pieces = this.#pieces
      if (pieces.length > 0) {
        this.#pieces = []
        this.#heldBytes = 0
        this.#request.resume()
        return pieces
      }
      if (this.#isEnded) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    throw this.#failure
  }

  /** What has not been read is left to whoever reads the request next. */
  close(): void {
    const request = this.#request
    request.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose)
    if (!this.#isEnded) request.pause()
  }

  /** After what else is there to be read from sockets has been. */
  #wakeSoon(): void {
    if (this.#isWaking || this.#wake === undefined) return
    this.#isWaking = true
    setImmediate(() => {
      this.#isWaking = false
      const wake = this.#wake
      this.#wake = undefined
      wake?.()
    })
  }
}
