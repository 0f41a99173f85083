/** Direct I/O wants memory, lengths and offsets in multiples of the device's block; 4 KiB fits every common one. */
export const BLOCK_BYTES = 4096
const WASM_PAGE_BYTES = 65_536
/** 1 MiB and a page more: room for a chunk of about 1 MiB that does not begin at a block. */
const PAGES = 17
export const BUFFER_BYTES = PAGES * WASM_PAGE_BYTES

/** The part of the WebAssembly JavaScript interface (section 5.4) that is used; TypeScript has it with the DOM only. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
}

/**
 * A bounded pool of page-aligned buffers for direct I/O. They are slices of one WebAssembly memory: the only page-aligned
 * memory that JavaScript can have. One for all, since V8 reserves 8 GiB of address space for each. What was never used takes no
 * room. Nobody waits for a buffer: who gets none goes through the page cache, so that slow uploads can't hold up others.
 */
export class AlignedBuffers {
  readonly #countMax: number
  #free: Uint8Array[] | undefined

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  tryAcquire(): Uint8Array | undefined {
    this.#free ??= allocate(this.#countMax)
    return this.#free.pop()
  }

  /** The one released last is given out first: few uploads touch few buffers. */
  release(buffer: Uint8Array): void {
    this.#free?.push(buffer)
  }
}

/** None where the process may not have so much address space (`ulimit -v`): it goes without direct I/O. */
function allocate(count: number): Uint8Array[] {
  const pages = count * PAGES
  try {
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages })
    return Array.from({ length: count }, (_, index) => new Uint8Array(buffer, index * BUFFER_BYTES, BUFFER_BYTES))
  } catch (error) {
    if (error instanceof RangeError) return []
    throw error
  }
}
