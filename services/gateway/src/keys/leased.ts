const KNOWN_MAX = 4096

/** What was asked for is known for so long from when it was asked; a failure is not. */
export class Leased<Value> {
  readonly #leaseMs: number
  readonly #known = new Map<string, { readonly value: Promise<Value>; readonly untilMs: number }>()

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs
  }

  get(name: string, find: () => Promise<Value>): Promise<Value> {
    const known = this.#known.get(name)
    if (known !== undefined && known.untilMs > performance.now()) return known.value
    const value = find()
    if (this.#known.size >= KNOWN_MAX) this.#known.clear()
    this.#known.set(name, { value, untilMs: performance.now() + this.#leaseMs })
    value.catch(() => this.#known.delete(name))
    return value
  }

  clear(): void {
    this.#known.clear()
  }
}
