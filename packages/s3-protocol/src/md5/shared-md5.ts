import { BLOCK_BYTES, instantiateMd5, type Md5Module, STATE_BYTES } from './md5-module.ts'

/** Messages that can be digested at the same time; whoever comes when all places are taken uses OpenSSL. */
const PLACE_COUNT = 16
/**
 * What is gathered of a message before it is digested alone: more than an upload brings at once (read-ahead.ts of the gateway), so that what
 * comes of another after it finds it waiting.
 */
const GATHERED_BYTES_MAX = 384 * 1024
/** What two have to have to be digested together: less is not worth the call. */
const TOGETHER_BYTES_MIN = 32 * 1024
/** RFC 1321, section 3.1 and 3.2: a one bit, zeros, and the length, at most a block more. */
const PADDING_BYTES_MAX = BLOCK_BYTES + 8
/** Places lie a little more apart than a power of two, so that they don't meet in the same lines of the cache. */
const PLACE_BYTES = GATHERED_BYTES_MAX + 4 * BLOCK_BYTES
/** RFC 1321, section 3.3. */
const INITIAL_STATE = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]

interface Place {
  readonly stateAddress: number
  readonly address: number
  /** Digested of what has been gathered from `address` on. */
  digestedBytes: number
  /** Not digested yet; after those. */
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
      return { stateAddress, address: stateAddress + BLOCK_BYTES, digestedBytes: 0, gatheredBytes: 0 }
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
      this.#bytes.set(taken, this.#roomFor(place, taken.length))
      place.gatheredBytes += taken.length
      offset += taken.length
      this.#digestTogether(place)
      if (place.gatheredBytes === GATHERED_BYTES_MAX) this.#digestAlone(place)
    }
  }

  #end(place: Place, sizeBytes: number): Buffer {
    this.#pad(place, sizeBytes)
    this.#digestTogether(place)
    if (place.gatheredBytes > 0) this.#digestAlone(place)
    return Buffer.from(this.#bytes.subarray(place.stateAddress, place.stateAddress + STATE_BYTES))
  }

  #pad(place: Place, sizeBytes: number): void {
    const paddedBytes = Math.ceil((place.gatheredBytes + 1 + 8) / BLOCK_BYTES) * BLOCK_BYTES
    const from = this.#roomFor(place, PADDING_BYTES_MAX)
    this.#bytes.fill(0, from, from + PADDING_BYTES_MAX)
    this.#bytes[from] = 0x80
    // In bits, of which 2^53 bytes have more than a number holds exactly.
    this.#bytes.writeBigUInt64LE(BigInt(sizeBytes) * 8n, from - place.gatheredBytes + paddedBytes - 8)
    place.gatheredBytes = paddedBytes
  }

  /** Where the next bytes of a message go; what is there comes to the beginning where they would not fit behind it. */
  #roomFor(place: Place, sizeBytes: number): number {
    const { address, digestedBytes, gatheredBytes } = place
    const fits = digestedBytes + gatheredBytes + sizeBytes <= GATHERED_BYTES_MAX
    if (!fits && digestedBytes > 0) {
      const from = address + digestedBytes
      this.#bytes.copyWithin(address, from, from + gatheredBytes)
      place.digestedBytes = 0
    }
    return address + place.digestedBytes + gatheredBytes
  }

  /** With the other message that has most, what both have. */
  #digestTogether(place: Place): void {
    const partner = this.#partnerOf(place)
    if (partner === undefined) return
    const bytes = Math.min(place.gatheredBytes, partner.gatheredBytes)
    if (bytes < TOGETHER_BYTES_MIN) return
    const blockCount = Math.floor(bytes / BLOCK_BYTES)
    const [from, partnerFrom] = [place.address + place.digestedBytes, partner.address + partner.digestedBytes]
    this.#module.digestTwo(place.stateAddress, from, partner.stateAddress, partnerFrom, blockCount)
    note(place, blockCount)
    note(partner, blockCount)
  }

  #digestAlone(place: Place): void {
    const blockCount = Math.floor(place.gatheredBytes / BLOCK_BYTES)
    this.#module.digestOne(place.stateAddress, place.address + place.digestedBytes, blockCount)
    note(place, blockCount)
  }

  #partnerOf(place: Place): Place | undefined {
    let partner: Place | undefined
    for (const other of this.#taken) {
      if (other !== place && other.gatheredBytes > (partner?.gatheredBytes ?? 0)) partner = other
    }
    return partner
  }

  #leave(place: Place): void {
    this.#bytes.fill(0, place.stateAddress, place.stateAddress + PLACE_BYTES)
    place.digestedBytes = 0
    place.gatheredBytes = 0
    this.#taken.delete(place)
    this.#free.push(place)
  }
}

/** Of what was gathered so many blocks are digested. */
function note(place: Place, blockCount: number): void {
  const digestedBytes = blockCount * BLOCK_BYTES
  place.gatheredBytes -= digestedBytes
  place.digestedBytes = place.gatheredBytes === 0 ? 0 : place.digestedBytes + digestedBytes
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
