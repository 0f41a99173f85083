import { invariant } from '@coffer/errors'
import { type Crc64Module, DATA_ADDRESS, instantiateCrc64, STRIPE_BYTES, SUM_ADDRESS } from './crc64-module.ts'

/** Copied into the module's memory at once. */
const DATA_BYTES = 64 * 1024
const WORD_BYTES = 8
const SUM_BYTES = 8
const INVERTED = 0xff

interface Summing extends Crc64Module {
  readonly sum: Buffer
  readonly data: Buffer
}

/** Made for the first sum; serves all of a process, as no sum leaves anything there. */
let summing: Summing | undefined

/** CRC-64/NVME, start and end inverted (NVM Express NVM Command Set Specification, section 5.2.1.3.4). */
export class Crc64Nvme {
  /** Little-endian. */
  readonly #sum = Buffer.alloc(SUM_BYTES, INVERTED)

  update(bytes: Uint8Array): void {
    const module = summingModule()
    for (let offset = 0; offset < bytes.length; offset += DATA_BYTES) {
      const taken = bytes.subarray(offset, offset + DATA_BYTES)
      module.data.set(taken)
      module.sum.set(this.#sum)
      sumUp(module, taken.length)
      this.#sum.set(module.sum)
    }
  }

  /** 8 bytes, big-endian. */
  digest(): Buffer {
    return Buffer.from(this.#sum.map((byte) => byte ^ INVERTED)).reverse()
  }
}

function sumUp(module: Summing, sizeBytes: number): void {
  const stripes = Math.floor(sizeBytes / STRIPE_BYTES)
  if (stripes > 0) module.stripes(DATA_ADDRESS, stripes)
  const stripedBytes = stripes * STRIPE_BYTES
  const words = Math.floor((sizeBytes - stripedBytes) / WORD_BYTES)
  if (words > 0) module.words(DATA_ADDRESS + stripedBytes, words)
  const left = sizeBytes % WORD_BYTES
  if (left > 0) module.bytes(DATA_ADDRESS + sizeBytes - left, left)
}

function summingModule(): Summing {
  if (summing !== undefined) return summing
  const module = instantiateCrc64(DATA_BYTES)
  invariant(module !== undefined, 'there is WebAssembly')
  const { buffer } = module.memory
  const { stripes, words, bytes, memory } = module
  const sum = Buffer.from(buffer, SUM_ADDRESS, SUM_BYTES)
  summing = { memory, stripes, words, bytes, sum, data: Buffer.from(buffer, DATA_ADDRESS, DATA_BYTES) }
  return summing
}
