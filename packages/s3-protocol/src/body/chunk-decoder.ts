import { createHash, createHmac, type Hash, hash, timingSafeEqual } from 'node:crypto'
import { s3Error } from '../errors.ts'

/** Begins the chain of chunk signatures. */
export interface ChunkSeed {
  /** Of the request itself, hex. */
  readonly signature: string
  readonly signingKey: Uint8Array
  readonly timestamp: string
  /** `date/region/service/aws4_request`. */
  readonly scope: string
}

/** `400000;chunk-signature=<64 hex>` has 86 characters. */
const CHUNK_HEADER_BYTES_MAX = 256
const TRAILER_BYTES_MAX = 4096
const CHUNK_BYTES_MAX = 5 * 1024 ** 3
const EMPTY_SHA256 = hash('sha256', '')
const CRLF = Buffer.from('\r\n')

type State = 'header' | 'data' | 'data-end' | 'trailer' | 'end'

/**
 * Takes the aws-chunked framing off a body (S3 API, "Signature calculations: transferring payload in multiple chunks").
 * Payload comes out as views of what went in. A chunk's signature is checked at its end: a version is committed only after
 * the last, so bytes that were not signed are never stored under a name.
 */
export class ChunkDecoder {
  readonly #signed: boolean
  readonly #seed: ChunkSeed | undefined
  #state: State = 'header'
  #line: Buffer = Buffer.alloc(0)
  #chunkLeftBytes = 0
  #chunkHash: Hash | undefined
  #chunkSignature = ''
  #previousSignature: string
  #lastChunk = false
  readonly #trailerLines: string[] = []

  constructor(options: { readonly signed: boolean; readonly seed: ChunkSeed | undefined }) {
    this.#signed = options.signed
    this.#seed = options.seed
    this.#previousSignature = options.seed?.signature ?? ''
  }

  /** Trailing headers by lower-case name; complete after the last byte. */
  trailers(): ReadonlyMap<string, string> {
    if (this.#state !== 'end') throw s3Error('IncompleteBody')
    const trailers = this.#trailerLines.map((line): [string, string] => {
      const colonAt = line.indexOf(':')
      if (colonAt < 1) throw s3Error('MalformedTrailerError')
      return [line.slice(0, colonAt).trim().toLowerCase(), line.slice(colonAt + 1).trim()]
    })
    return new Map(trailers)
  }

  push(bytes: Uint8Array): Uint8Array[] {
    const payload: Uint8Array[] = []
    let offset = 0
    while (offset < bytes.length) {
      if (this.#state === 'data') offset += this.#takeData(bytes, offset, payload)
      else offset += this.#takeLine(bytes, offset)
    }
    return payload
  }

  #takeData(bytes: Uint8Array, offset: number, payload: Uint8Array[]): number {
    const taken = Math.min(this.#chunkLeftBytes, bytes.length - offset)
    const piece = bytes.subarray(offset, offset + taken)
    this.#chunkHash?.update(piece)
    payload.push(piece)
    this.#chunkLeftBytes -= taken
    if (this.#chunkLeftBytes === 0) this.#state = 'data-end'
    return taken
  }

  /** Collects up to the end of a line, then acts on it; returns how many bytes it took. */
  #takeLine(bytes: Uint8Array, offset: number): number {
    if (this.#state === 'end') throw s3Error('IncompleteBody', { message: 'Bytes follow the end of the body.' })
    const newlineAt = bytes.indexOf(0x0a, offset)
    const end = newlineAt === -1 ? bytes.length : newlineAt + 1
    this.#line =
      this.#line.length === 0
        ? Buffer.from(bytes.subarray(offset, end))
        : Buffer.concat([this.#line, bytes.subarray(offset, end)])
    if (this.#line.length > (this.#state === 'trailer' ? TRAILER_BYTES_MAX : CHUNK_HEADER_BYTES_MAX)) throw malformed()
    if (newlineAt !== -1) this.#actOnLine()
    return end - offset
  }

  #actOnLine(): void {
    const line = this.#line
    this.#line = Buffer.alloc(0)
    // RFC 9112, section 7.1 asks for CR LF; some clients end trailers with a bare LF.
    const text = line.toString('latin1').replace(/\r?\n$/, '')
    if (this.#state === 'header') this.#beginChunk(text)
    else if (this.#state === 'data-end') {
      if (!line.equals(CRLF)) throw malformed()
      this.#endChunk()
    } else this.#takeTrailer(text)
  }

  #beginChunk(text: string): void {
    const [, size = '', signature = ''] = /^([0-9a-fA-F]{1,13})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(text) ?? []
    if (size === '' || (this.#signed && signature === '')) throw malformed()
    this.#chunkLeftBytes = Number.parseInt(size, 16)
    if (this.#chunkLeftBytes > CHUNK_BYTES_MAX) throw s3Error('EntityTooLarge')
    this.#chunkSignature = signature
    this.#chunkHash = this.#signed ? createHash('sha256') : undefined
    if (this.#chunkLeftBytes > 0) this.#state = 'data'
    else {
      this.#lastChunk = true
      this.#endChunk()
    }
  }

  #endChunk(): void {
    if (this.#chunkHash !== undefined)
      this.#verify(
        'AWS4-HMAC-SHA256-PAYLOAD',
        `${EMPTY_SHA256}\n${this.#chunkHash.digest('hex')}`,
        this.#chunkSignature,
      )
    this.#state = this.#lastChunk ? 'trailer' : 'header'
  }

  /** Trailing headers up to an empty line; in a signed body their signature comes last. */
  #takeTrailer(text: string): void {
    if (text !== '') {
      this.#trailerLines.push(text)
      if (this.#trailerLines.length > 8) throw s3Error('MalformedTrailerError')
      return
    }
    const signatureAt = this.#trailerLines.findIndex((line) =>
      line.toLowerCase().startsWith('x-amz-trailer-signature:'),
    )
    if (this.#signed && this.#trailerLines.length > 0) {
      const [line] = signatureAt === -1 ? [] : this.#trailerLines.splice(signatureAt, 1)
      if (line === undefined) throw s3Error('MalformedTrailerError')
      const signed = this.#trailerLines.map((trailer) => `${trailer}\n`).join('')
      this.#verify('AWS4-HMAC-SHA256-TRAILER', hash('sha256', signed), line.slice(line.indexOf(':') + 1).trim())
    }
    this.#state = 'end'
  }

  #verify(algorithm: string, digests: string, signature: string): void {
    const seed = this.#seed
    if (seed === undefined || !/^[0-9a-f]{64}$/.test(signature)) throw s3Error('SignatureDoesNotMatch')
    const stringToSign = `${algorithm}\n${seed.timestamp}\n${seed.scope}\n${this.#previousSignature}\n${digests}`
    const expected = createHmac('sha256', seed.signingKey).update(stringToSign).digest()
    if (!timingSafeEqual(expected, Buffer.from(signature, 'hex'))) throw s3Error('SignatureDoesNotMatch')
    this.#previousSignature = signature
  }
}

function malformed() {
  return s3Error('IncompleteBody', { message: 'The chunked framing of the body is malformed.' })
}
