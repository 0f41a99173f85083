import type { IncomingMessage } from 'node:http'

/** Unread request bytes that are taken in after an early answer, and for how long. */
const LINGER_BYTES_MAX = 16 * 1024 * 1024
const LINGER_MS_MAX = 5_000

/**
 * Reads the rest of a request that is already answered, then calls `done`. A connection that is closed while its client still
 * sends is a broken one for the client, which then never reads the answer (RFC 9112, section 9.6). Of a body that is too long no more is
 * taken in, which leaves the client time to read; one that goes on for too long, or says nothing more, gets no more of ours.
 */
export function lingerOn(request: IncomingMessage, done: () => void): void {
  let sizeBytes = 0
  const timer = setTimeout(end, LINGER_MS_MAX)
  request.on('data', (piece: Buffer) => {
    sizeBytes += piece.length
    if (sizeBytes > LINGER_BYTES_MAX) request.pause()
  })
  request.on('error', () => undefined)
  request.once('end', end)
  request.once('close', end)
  request.resume()

  function end(): void {
    clearTimeout(timer)
    done()
  }
}
