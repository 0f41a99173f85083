import { randomBytes } from 'node:crypto'

/** What one piece carries. NATS refuses messages above `max_payload`, 1 MiB unless its administrator says otherwise. */
export const PIECE_BYTES_MAX = 512 * 1024
/** No initial byte of a CBOR item (RFC 8949, section 3.2.1: the break code stands only within one): tells pieces from packets. */
const PIECE_MARK = 0xff
const ID_BYTES = 16
const INDEX_AT = 1 + ID_BYTES
const COUNT_AT = INDEX_AT + 4
const HEADER_BYTES = COUNT_AT + 4

/** A message may be as large as this: the manifest of an upload of 10,000 parts takes a twentieth of it. */
export const MESSAGE_BYTES_MAX = 64 * 1024 * 1024
const COUNT_MAX = MESSAGE_BYTES_MAX / PIECE_BYTES_MAX
const INCOMPLETE_BYTES_MAX = 4 * MESSAGE_BYTES_MAX
/** Whoever waits for a message has given up by then. */
const INCOMPLETE_MS_MAX = 30_000

/** The message itself if it is small enough, else its pieces: mark, message id, index and count (u32 BE), bytes. */
export function cutIntoPieces(message: Buffer): Buffer[] {
  if (message.length <= PIECE_BYTES_MAX) return [message]
  const id = randomBytes(ID_BYTES)
  const count = Math.ceil(message.length / PIECE_BYTES_MAX)
  return Array.from({ length: count }, (_, index) => {
    const header = Buffer.alloc(HEADER_BYTES)
    header[0] = PIECE_MARK
    header.set(id, 1)
    header.writeUInt32BE(index, INDEX_AT)
    header.writeUInt32BE(count, COUNT_AT)
    return Buffer.concat([header, message.subarray(index * PIECE_BYTES_MAX, (index + 1) * PIECE_BYTES_MAX)])
  })
}

interface Incomplete {
  readonly pieces: (Buffer | undefined)[]
  readonly sinceMs: number
  missing: number
  sizeBytes: number
}

/** Puts messages together again. What stays incomplete is dropped after a while, the oldest first when it gets too much. */
export class PieceJoiner {
  readonly #now: () => number
  readonly #incomplete = new Map<string, Incomplete>()
  #heldBytes = 0

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** Bytes of messages of which something is missing. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** The whole message, once this was the last of it that was missing; a message that was never cut comes as it is. */
  add(received: Buffer): Buffer | undefined {
    if (received[0] !== PIECE_MARK) return received
    if (received.length < HEADER_BYTES) return undefined
    const [index, count] = [received.readUInt32BE(INDEX_AT), received.readUInt32BE(COUNT_AT)]
    const bytes = received.subarray(HEADER_BYTES)
    if (index >= count || count > COUNT_MAX || bytes.length > PIECE_BYTES_MAX) return undefined
    const id = received.toString('latin1', 1, INDEX_AT)
    const message = this.#incomplete.get(id) ?? this.#begin(id, count)
    if (message.pieces.length !== count || message.pieces[index] !== undefined) return undefined
    message.pieces[index] = bytes
    message.missing -= 1
    message.sizeBytes += bytes.length
    this.#heldBytes += bytes.length
    if (message.missing > 0) {
      this.#dropOldest()
      return undefined
    }
    this.#drop(id, message)
    return Buffer.concat(message.pieces.filter((piece) => piece !== undefined))
  }

  #begin(id: string, count: number): Incomplete {
    const pieces = new Array<Buffer | undefined>(count).fill(undefined)
    const message = { pieces, sinceMs: this.#now(), missing: count, sizeBytes: 0 }
    this.#incomplete.set(id, message)
    return message
  }

  /** Oldest first: a Map keeps the order of insertion. */
  #dropOldest(): void {
    const tooOld = this.#now() - INCOMPLETE_MS_MAX
    for (const [id, message] of this.#incomplete) {
      if (message.sinceMs > tooOld && this.#heldBytes <= INCOMPLETE_BYTES_MAX) return
      this.#drop(id, message)
    }
  }

  #drop(id: string, message: Incomplete): void {
    this.#incomplete.delete(id)
    this.#heldBytes -= message.sizeBytes
  }
}
