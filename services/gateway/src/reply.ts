import type { ServerResponse } from 'node:http'
import { freeBytes, type PlainStream } from '@coffer/object-body'

/** What an operation answers. A `stream` must yield exactly `content-length` bytes, where that is given. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
  readonly body?: string | Uint8Array
  /** Each batch is written with one system call, and its memory given back then. */
  readonly stream?: PlainStream
}

export const XML_HEADERS = { 'content-type': 'application/xml' }

export function xmlReply(body: string, headers: Reply['headers'] = {}): Reply {
  return { status: 200, headers: { ...XML_HEADERS, ...headers }, body }
}

export function emptyReply(status: 200 | 204, headers: Reply['headers'] = {}): Reply {
  return { status, headers }
}

/**
 * Sends a reply. The first batch of a stream is read before the status line is written, so that a damaged object is a clear
 * error; a failure after that can only cut the connection, which every client sees as a short read.
 */
export async function sendReply(response: ServerResponse, reply: Reply): Promise<void> {
  if (reply.stream !== undefined) return sendStream(response, reply, reply.stream)
  const body = reply.body ?? ''
  const withLength = reply.status === 204 || reply.status === 304 || 'content-length' in reply.headers
  response.writeHead(
    reply.status,
    withLength ? reply.headers : { ...reply.headers, 'content-length': Buffer.byteLength(body) },
  )
  response.end(body)
}

async function sendStream(response: ServerResponse, reply: Reply, stream: PlainStream): Promise<void> {
  try {
    let batch = await stream.next()
    response.writeHead(reply.status, reply.headers)
    while (!batch.done) {
      const flushed = writeBatch(response, batch.value)
      // The next batch is read and opened while this one is on its way.
      const next = stream.next()
      if (!flushed) await drained(response, next)
      batch = await next
      if (response.destroyed) return
    }
    response.end()
  } finally {
    await stream.return()
  }
}

function writeBatch(response: ServerResponse, pieces: readonly Uint8Array[]): boolean {
  response.cork()
  let flushed = true
  for (const piece of pieces) flushed = response.write(piece, () => freeBytes(piece))
  response.uncork()
  return flushed
}

/** Until there is room for more; or the client has gone away, which the loop sees by `destroyed`. */
async function drained(response: ServerResponse, next: Promise<unknown>): Promise<void> {
  // A failure of the read ahead is handled where `next` is awaited, not as an unhandled rejection meanwhile.
  next.catch(() => undefined)
  if (response.destroyed) return
  const events = ['drain', 'close', 'error']
  await new Promise<void>((resolve) => {
    const done = () => {
      for (const event of events) response.off(event, done)
      resolve()
    }
    for (const event of events) response.on(event, done)
  })
}
