import type { StreamSealer } from '@coffer/crypto-core'
import { freeBytes } from './free-bytes.ts'

const NOTHING = new Uint8Array(0)
const END: IteratorReturnResult<undefined> = { done: true, value: undefined }

/**
 * A plaintext that comes in batches as ciphertext, piece by piece, the last one after the source's end. Written out, as an
 * async generator takes several turns of the microtask queue for each piece, and there are three for 64 KiB.
 */
export class SealedPieces implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #source: AsyncIterator<readonly Uint8Array[]>
  readonly #sealer: StreamSealer
  #plain: readonly Uint8Array[] = []
  #plainIndex = 0
  #sealed: readonly Uint8Array[] = []
  #sealedIndex = 0
  #isEnded = false

  constructor(source: AsyncIterator<readonly Uint8Array[]>, sealer: StreamSealer) {
    this.#source = source
    this.#sealer = sealer
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    try {
      for (;;) {
        const piece = this.#nextSealed()
        if (piece !== undefined) return { done: false, value: piece }
        if (this.#isEnded) return END
        const { done, value } = await this.#source.next()
        this.#plain = done ? [] : value
        this.#plainIndex = 0
        if (done) this.#end()
      }
    } catch (error) {
      // Whoever asks does not ask again after a failure, nor closes what failed.
      await this.return()
      throw error
    }
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#sealer.wipe()
    await this.#source.return?.()
    return END
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Ciphertext that the driver has a copy of. The header is kept: its salt is wanted later, and it is too small to be freed. */
  release(piece: Uint8Array): void {
    freeBytes(piece)
  }

  #nextSealed(): Uint8Array | undefined {
    while (this.#sealedIndex === this.#sealed.length) {
      const plain = this.#plain[this.#plainIndex++]
      if (plain === undefined) return undefined
      this.#hold(this.#sealer.seal(plain, false))
    }
    return this.#sealed[this.#sealedIndex++]
  }

  #end(): void {
    this.#isEnded = true
    this.#hold(this.#sealer.seal(NOTHING, true))
  }

  #hold(sealed: readonly Uint8Array[]): void {
    this.#sealed = sealed
    this.#sealedIndex = 0
  }
}
