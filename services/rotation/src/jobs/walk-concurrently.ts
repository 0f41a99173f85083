export interface WalkLimits {
  /** Items under way at once. */
  readonly concurrency: number
  /** How far the fastest may be ahead of the slowest, items. */
  readonly window: number
}

/**
 * Acts on each item, several at once. `passed` is told of the items in their order, each when it and all before it are done:
 * where another walk may go on. The first failure ends the walk, when what is under way has ended.
 */
export async function walkConcurrently<Item>(
  items: AsyncIterable<Item>,
  { concurrency, window }: WalkLimits,
  act: (item: Item) => Promise<void>,
  passed: (item: Item) => void,
): Promise<void> {
  const walk = new Walk(passed)
  try {
    for await (const item of items) {
      while (walk.active >= concurrency || walk.length >= window) await walk.change()
      if (walk.failure !== undefined) break
      walk.add(item, act)
    }
  } finally {
    while (walk.active > 0) await walk.change()
  }
  if (walk.failure !== undefined) throw walk.failure.error
}

class Walk<Item> {
  active = 0
  failure: { readonly error: unknown } | undefined
  readonly #passed: (item: Item) => void
  readonly #entries: { readonly item: Item; isDone: boolean }[] = []
  #wake: () => void = () => undefined

  constructor(passed: (item: Item) => void) {
    this.#passed = passed
  }

  /** From the first that is under way to the last that was begun; 0 after a failure, as nothing is waited for then. */
  get length(): number {
    return this.failure === undefined ? this.#entries.length : 0
  }

  add(item: Item, act: (item: Item) => Promise<void>): void {
    const entry = { item, isDone: false }
    this.#entries.push(entry)
    this.active += 1
    const end = () => {
      this.active -= 1
      this.#wake()
    }
    act(item).then(
      () => {
        entry.isDone = true
        this.#passDone()
        end()
      },
      (error: unknown) => {
        this.failure ??= { error }
        end()
      },
    )
  }

  /** Resolves when something under way has ended. */
  change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #passDone(): void {
    while (this.#entries[0]?.isDone) {
      const entry = this.#entries.shift()
      if (entry !== undefined) this.#passed(entry.item)
    }
  }
}
