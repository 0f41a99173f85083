/** An answer, as far as a load generator cares. */
export interface LoadResponse {
  readonly status: number
  /** Bytes of the body, framing left out. */
  readonly bodySizeBytes: number
  /** The body's beginning, kept only for errors and where it was asked for. */
  readonly body: string
  readonly keepsAlive: boolean
}

const END_OF_HEAD = Buffer.from('\r\n\r\n')
const HEAD_SIZE_BYTES_MAX = 64 * 1024
const KEPT_SIZE_BYTES_MAX = 4 * 1024 * 1024

type State = 'head' | 'sized' | 'chunk-size' | 'chunk' | 'until-close'

/**
 * Reads HTTP/1.1 responses (RFC 9112), one after another, from the pieces that come off a socket. It counts body bytes
 * instead of keeping them, which makes it several times cheaper than a client library.
 */
export class ResponseReader {
  #state: State = 'head'
  #pending: Buffer | undefined
  #status = 0
  #keepsAlive = true
  #remaining = 0
  #bodySizeBytes = 0
  #kept: Buffer[] | undefined
  #keptSizeBytes = 0
  #keepsBody = false

  /** Before each request: whether its body is wanted. */
  expect(keepsBody: boolean): void {
    this.#keepsBody = keepsBody
  }

  /**
   * The response that these bytes complete, or undefined. `bytes` may be overwritten after the call. Throws on what is
   * no HTTP/1.1 response, and on bytes after the response: requests are not pipelined.
   */
  push(bytes: Buffer): LoadResponse | undefined {
    let rest = bytes
    for (;;) {
      if (this.#state === 'head') {
        const headEnd = this.#readHead(rest)
        if (headEnd === undefined) return undefined
        rest = headEnd
        if (this.#isAt('sized') && this.#remaining === 0) return this.#finish(rest)
      } else if (this.#state === 'chunk-size') {
        const afterLine = this.#readChunkSize(rest)
        if (afterLine === undefined) return undefined
        rest = afterLine
        if (this.#remaining === 0) return this.#finish(rest)
      } else {
        if (rest.length === 0) return undefined
        rest = this.#readBody(rest)
        if (this.#remaining > 0) return undefined
        if (this.#state === 'sized') return this.#finish(rest)
        this.#state = 'chunk-size'
      }
    }
  }

  /** The server closed: the response that this completes, if its end is the connection's. */
  end(): LoadResponse | undefined {
    if (this.#state !== 'until-close') return undefined
    this.#keepsAlive = false
    return this.#finish(Buffer.alloc(0))
  }

  #isAt(state: State): boolean {
    return this.#state === state
  }

  #readHead(bytes: Buffer): Buffer | undefined {
    const head = this.#pending ? Buffer.concat([this.#pending, bytes]) : bytes
    const end = head.indexOf(END_OF_HEAD)
    if (end < 0) {
      if (head.length > HEAD_SIZE_BYTES_MAX) throw new Error('response head too long')
      this.#pending = Buffer.from(head)
      return undefined
    }
    this.#pending = undefined
    this.#parseHead(head.toString('latin1', 0, end))
    const rest = head.subarray(end + 4)
    if (this.#status >= 100 && this.#status < 200) {
      this.#state = 'head'
      return rest.length === 0 ? undefined : this.#readHead(rest)
    }
    return rest
  }

  #parseHead(head: string): void {
    if (!head.startsWith('HTTP/1.')) throw new Error('not an HTTP/1.1 response')
    this.#status = Number(head.slice(9, 12))
    this.#keepsAlive = !/\r\nconnection: *close/i.test(head)
    this.#bodySizeBytes = 0
    this.#kept = this.#keepsBody || this.#status >= 400 ? [] : undefined
    this.#keptSizeBytes = 0
    this.#remaining = 0
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (this.#status === 204 || this.#status === 304) this.#state = 'sized'
    else if (length !== undefined) {
      this.#state = 'sized'
      this.#remaining = Number(length)
    } else if (/\r\ntransfer-encoding: *chunked/i.test(head)) this.#state = 'chunk-size'
    else {
      this.#state = 'until-close'
      this.#remaining = Number.POSITIVE_INFINITY
    }
  }

  #readBody(bytes: Buffer): Buffer {
    const taken = Math.min(bytes.length, this.#remaining)
    this.#remaining -= taken
    // The two bytes that end a chunk are counted in #remaining, not in the body.
    const framing = this.#state === 'chunk' ? Math.max(0, Math.min(taken, 2 - this.#remaining)) : 0
    this.#bodySizeBytes += taken - framing
    this.#keep(bytes.subarray(0, taken - framing))
    return bytes.subarray(taken)
  }

  /** Chunk extensions are skipped; trailers are not used by S3 responses and count as an error. */
  #readChunkSize(bytes: Buffer): Buffer | undefined {
    const line = this.#pending ? Buffer.concat([this.#pending, bytes]) : bytes
    const end = line.indexOf('\r\n')
    const isLast = end > 0 && /^0+(;|$)/.test(line.toString('latin1', 0, end))
    if (end < 0 || (isLast && line.length < end + 4)) {
      this.#pending = Buffer.from(line)
      return undefined
    }
    this.#pending = undefined
    if (isLast) {
      this.#remaining = 0
      return line.subarray(end + 4)
    }
    const sizeBytes = Number.parseInt(line.toString('latin1', 0, end), 16)
    if (Number.isNaN(sizeBytes)) throw new Error('bad chunk size')
    this.#remaining = sizeBytes + 2
    this.#state = 'chunk'
    return line.subarray(end + 2)
  }

  #keep(bytes: Buffer): void {
    if (!this.#kept || this.#keptSizeBytes + bytes.length > KEPT_SIZE_BYTES_MAX) return
    this.#kept.push(Buffer.from(bytes))
    this.#keptSizeBytes += bytes.length
  }

  #finish(rest: Buffer): LoadResponse {
    if (rest.length > 0) throw new Error('bytes after the response')
    this.#state = 'head'
    return {
      status: this.#status,
      bodySizeBytes: this.#bodySizeBytes,
      body: this.#kept && this.#keptSizeBytes > 0 ? Buffer.concat(this.#kept).toString('utf8') : '',
      keepsAlive: this.#keepsAlive,
    }
  }
}
