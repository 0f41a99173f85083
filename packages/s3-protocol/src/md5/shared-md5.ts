import { BLOCK_BYTES, instantiateMd5, type Md5Module, STATE_BYTES } from './md5-module.ts'

/** Messages that can be digested at the same time; whoever comes when all places are taken uses OpenSSL. */
const PLACE_COUNT = 16
/** What is gathered of a message before it is digested. */
const GATHERED_BYTES_MAX = 128 * 1024
/** RFC 1321, section 3.1 and 3.2: a one bit, zeros, and the length, at most a block more. */
const PADDING_BYTES_MAX = BLOCK_BYTES + 8
/** Places lie a little more apart than a power of two, so that they don't meet in the same lines of the cache. */
const PLACE_BYTES = GATHERED_BYTES_MAX + 4 * BLOCK_BYTES
/** RFC 1321, section 3.3. */
const INITIAL_STATE = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]
/** A partner with less than this part of what is to be digested would hold it up for little. */
const PARTNER_PART_MIN = 0.5

interface Place {
  readonly stateAddress: number
  readonly address: number
  gatheredBytes: number
}

/**
 * MD5 of several messages that come piece by piece, as uploads do: what has come of two is digested at once, which takes about as long
 * as one (docs/decisions/0015). What is kept of a message is a copy, wiped at its end.
 */
export class SharedMd5 {
  readonly #module: Md5Module
  readonly #bytes: Buffer
  readonly #free: Place[]
  readonly #taken = new Set<Place>()

  constructor(module: Md5Module) {
    this.#module = module
    this.#bytes = Buffer.from(module.memory.buffer)
    this.#free = Array.from({ length: PLACE_COUNT }, (_, index) => {
      const stateAddress = index * PLACE_BYTES
      return { stateAddress, address: stateAddress + BLOCK_BYTES, gatheredBytes: 0 }
    })
  }

  /** Undefined where there is no WebAssembly. */
  static make(): SharedMd5 | undefined {
    const module = instantiateMd5(PLACE_COUNT * PLACE_BYTES)
    return module && new SharedMd5(module)
  }

  /** Undefined: all places are taken. */
  begin(): Md5Message | undefined {
    const place = this.#free.pop()
    if (place === undefined) return undefined
    this.#taken.add(place)
    for (const [index, word] of INITIAL_STATE.entries()) {
      this.#bytes.writeUInt32LE(word, place.stateAddress + index * 4)
    }
    return new Md5Message({
      add: (bytes) => this.#add(place, bytes),
      end: (sizeBytes) => this.#end(place, sizeBytes),
      leave: () => this.#leave(place),
    })
  }

  #add(place: Place, bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.length; ) {
      const taken = bytes.subarray(offset, offset + GATHERED_BYTES_MAX - place.gatheredBytes)
      this.#bytes.set(taken, place.address + place.gatheredBytes)
      place.gatheredBytes += taken.length
      offset += taken.length
      if (place.gatheredBytes === GATHERED_BYTES_MAX) this.#digestSome(place)
    }
  }

  #end(place: Place, sizeBytes: number): Buffer {
    this.#pad(place, sizeBytes)
    while (place.gatheredBytes > 0) this.#digestSome(place)
    return Buffer.from(this.#bytes.subarray(place.stateAddress, place.stateAddress + STATE_BYTES))
  }

  #pad(place: Place, sizeBytes: number): void {
    const from = place.address + place.gatheredBytes
    const paddedBytes = Math.ceil((place.gatheredBytes + 1 + 8) / BLOCK_BYTES) * BLOCK_BYTES
    this.#bytes.fill(0, from, from + PADDING_BYTES_MAX)
    this.#bytes[from] = 0x80
    // In bits, of which 2^53 bytes have more than a number holds exactly.
    this.#bytes.writeBigUInt64LE(BigInt(sizeBytes) * 8n, place.address + paddedBytes - 8)
    place.gatheredBytes = paddedBytes
  }

  /** With a partner what both have, else all that is here. */
  #digestSome(place: Place): void {
    const blockCount = blocksIn(place)
    const partner = this.#partnerOf(place)
    if (partner === undefined || blocksIn(partner) < blockCount * PARTNER_PART_MIN) {
      this.#module.digestOne(place.stateAddress, place.address, blockCount)
      this.#shift(place, blockCount)
      return
    }
    const both = Math.min(blockCount, blocksIn(partner))
    this.#module.digestTwo(place.stateAddress, place.address, partner.stateAddress, partner.address, both)
    this.#shift(place, both)
    this.#shift(partner, both)
  }

  #partnerOf(place: Place): Place | undefined {
    let partner: Place | undefined
    for (const other of this.#taken) {
      if (other !== place && other.gatheredBytes > (partner?.gatheredBytes ?? 0)) partner = other
    }
    return partner
  }

  /** What is left comes to the beginning. */
  #shift(place: Place, blockCount: number): void {
    const { address, gatheredBytes } = place
    const digestedBytes = blockCount * BLOCK_BYTES
    this.#bytes.copyWithin(address, address + digestedBytes, address + gatheredBytes)
    place.gatheredBytes -= digestedBytes
  }

  #leave(place: Place): void {
    this.#bytes.fill(0, place.stateAddress, place.stateAddress + PLACE_BYTES)
    place.gatheredBytes = 0
    this.#taken.delete(place)
    this.#free.push(place)
  }
}

function blocksIn({ gatheredBytes }: Place): number {
  return Math.floor(gatheredBytes / BLOCK_BYTES)
}

interface PlaceInUse {
  add(bytes: Uint8Array): void
  end(sizeBytes: number): Buffer
  leave(): void
}

/** One message. `digest` or `discard` ends it, once; after that neither does anything. */
export class Md5Message {
  #place: PlaceInUse | undefined
  #sizeBytes = 0

  constructor(place: PlaceInUse) {
    this.#place = place
  }

  update(bytes: Uint8Array): void {
    this.#placeInUse().add(bytes)
    this.#sizeBytes += bytes.length
  }

  /** 16 bytes. */
  digest(): Buffer {
    const digest = this.#placeInUse().end(this.#sizeBytes)
    this.discard()
    return digest
  }

  discard(): void {
    this.#place?.leave()
    this.#place = undefined
  }

  #placeInUse(): PlaceInUse {
    if (this.#place === undefined) throw new Error('this MD5 has ended')
    return this.#place
  }
}
