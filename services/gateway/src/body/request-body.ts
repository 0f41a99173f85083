import type { IncomingMessage, ServerResponse } from 'node:http'
import { s3Error } from '@coffer/s3-protocol'
import { ReadAhead } from './read-ahead.ts'

/** The bytes of a request as they come from the socket. Read once, whole or in pieces; `100 Continue` is sent then. */
export class RequestBody {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  #begun = false

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request
    this.#response = response
  }

  /** The whole body. EntityTooLarge past `sizeBytesMax`; IncompleteBody if the client goes away. */
  collect(sizeBytesMax: number): Promise<Buffer> {
    this.#begin()
    const request = this.#request
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = []
      let sizeBytes = 0
      request.on('data', (piece: Buffer) => {
        sizeBytes += piece.length
        if (sizeBytes <= sizeBytesMax) pieces.push(piece)
        else reject(s3Error('EntityTooLarge'))
      })
      request.once('end', () => resolve(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces)))
      request.once('error', (cause) => reject(s3Error('IncompleteBody', { cause })))
      request.once('close', () => {
        if (!request.complete) reject(s3Error('IncompleteBody'))
      })
    })
  }

  /** The body piece by piece. IncompleteBody if the client goes away. What is not read is left to the connection's end. */
  async *pieces(): AsyncGenerator<Buffer, void> {
    this.#begin()
    try {
      for await (const piece of this.#request.iterator({ destroyOnReturn: false })) yield piece as Buffer
    } catch (cause) {
      throw s3Error('IncompleteBody', { cause })
    }
    if (!this.#request.complete) throw s3Error('IncompleteBody')
  }

  /** The same, as much as has come at a time. */
  async *batches(): AsyncGenerator<readonly Buffer[], void> {
    this.#begin()
    const ahead = new ReadAhead(this.#request)
    try {
      for (;;) {
        const batch = await ahead.next().catch((cause: unknown) => {
          throw s3Error('IncompleteBody', { cause })
        })
        if (batch === undefined) break
        yield batch
      }
    } finally {
      ahead.close()
    }
    if (!this.#request.complete) throw s3Error('IncompleteBody')
  }

  #begin(): void {
    if (this.#begun) throw s3Error('InternalError')
    this.#begun = true
    // The client went away before anybody asked for its body: no event will tell.
    if (this.#request.destroyed) throw s3Error('IncompleteBody')
    if (this.#request.headers.expect?.toLowerCase() === '100-continue') this.#response.writeContinue()
  }
}
