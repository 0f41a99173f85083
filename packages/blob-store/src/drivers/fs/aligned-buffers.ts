/** Direct I/O wants memory, lengths and offsets in multiples of the device's block; 4 KiB fits every common one. */
export const BLOCK_BYTES = 4096
export const BUFFER_BYTES = 1024 * 1024
const WASM_PAGE_BYTES = 65_536

/** The part of the WebAssembly JavaScript interface (section 5.4) that is used; TypeScript has it with the DOM only. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
}

/**
 * A bounded pool of page-aligned 1 MiB buffers for direct I/O. WebAssembly memory is what JavaScript can have page-aligned; a
 * write that finds it otherwise falls back. Nobody waits for a buffer: who gets none writes through the page cache, so that
 * slow uploads can't hold up others.
 */
export class AlignedBuffers {
  readonly #free: Uint8Array[] = []
  readonly #countMax: number
  #count = 0

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  tryAcquire(): Uint8Array | undefined {
    const free = this.#free.pop()
    if (free !== undefined || this.#count === this.#countMax) return free
    this.#count++
    const pages = BUFFER_BYTES / WASM_PAGE_BYTES
    return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer)
  }

  release(buffer: Uint8Array): void {
    this.#free.push(buffer)
  }
}
