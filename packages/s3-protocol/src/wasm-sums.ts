import { invariant } from '@coffer/errors'
import type { IHasher } from 'hash-wasm'

/** Sums that Node has not, by hash-wasm: five to nine gigabytes a second on one core. */
export type WasmAlgorithm = 'XXHASH3' | 'XXHASH64' | 'XXHASH128'

/** One instance of an algorithm serves all streams of a process: whoever comes next keeps the state of who was there. */
interface Instance {
  readonly hasher: IHasher
  user: WasmSum | undefined
}

const instances = new Map<WasmAlgorithm, Instance>()
const loading = new Map<WasmAlgorithm, Promise<void>>()

/** Loads what a sum of the algorithm needs, once in a process. Undefined: it is there. */
export function loadWasmSum(algorithm: WasmAlgorithm): Promise<void> | undefined {
  if (instances.has(algorithm)) return undefined
  let load = loading.get(algorithm)
  if (load === undefined) {
    load = createHasher(algorithm).then((hasher) => {
      instances.set(algorithm, { hasher, user: undefined })
    })
    loading.set(algorithm, load)
  }
  return load
}

async function createHasher(algorithm: WasmAlgorithm): Promise<IHasher> {
  const { default: hashWasm } = await import('hash-wasm')
  if (algorithm === 'XXHASH64') return await hashWasm.createXXHash64()
  return algorithm === 'XXHASH3' ? await hashWasm.createXXHash3() : await hashWasm.createXXHash128()
}

/** The sum of one stream; `loadWasmSum` has resolved before. */
export class WasmSum {
  readonly #instance: Instance
  #state: Uint8Array | undefined

  constructor(algorithm: WasmAlgorithm) {
    const instance = instances.get(algorithm)
    invariant(instance !== undefined, `${algorithm} is loaded before it is used`)
    this.#instance = instance
  }

  update(bytes: Uint8Array): void {
    this.#take().update(bytes)
  }

  /** Big-endian: the canonical form of xxHash (its specification, "Output"). Once. */
  digest(): Buffer {
    const digest = Buffer.from(this.#take().digest('binary'))
    this.#instance.user = undefined
    return digest
  }

  #take(): IHasher {
    const instance = this.#instance
    const { hasher, user } = instance
    if (user === this) return hasher
    if (user !== undefined) user.#state = hasher.save()
    instance.user = this
    if (this.#state === undefined) hasher.init()
    else hasher.load(this.#state)
    return hasher
  }
}
