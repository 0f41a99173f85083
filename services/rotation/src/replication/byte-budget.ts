/** Lets work go ahead while all that is under way fits a number of bytes; what is larger than that goes alone. */
export class ByteBudget {
  readonly #max: number
  readonly #waiting: (() => void)[] = []
  #used = 0

  constructor(max: number) {
    this.#max = max
  }

  async spend<Result>(sizeBytes: number, work: () => Promise<Result>): Promise<Result> {
    while (this.#used > 0 && this.#used + sizeBytes > this.#max) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    this.#used += sizeBytes
    try {
      return await work()
    } finally {
      this.#used -= sizeBytes
      for (const resolve of this.#waiting.splice(0)) resolve()
    }
  }
}
