import { chmod, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import type { ProcessStatus } from '@coffer/contracts'
import type { Logger } from '@coffer/mesh'

const NAME = 'status.sock'
const CONNECTIONS_MAX = 16
/** Longer than the server takes to ask all of its processes. */
const ANSWER_TIMEOUT_MS = 8_000
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
/** Of a socket's path, sun_path of unix(7) and its like elsewhere. */
const PATH_BYTES_MAX = 103

/**
 * Where the processes of a running server are told to `coffer status`: a socket in the data directory, for the operating system's
 * user that the store belongs to, and for nobody else. Who connects is sent one JSON text. A file system without sockets, or a path
 * that is too long for one, costs the table of processes and nothing else.
 */
export async function startStatusSocket(
  dataPath: string,
  collect: () => Promise<readonly ProcessStatus[]>,
  logger: Logger,
): Promise<{ stop(): void }> {
  const path = join(dataPath, NAME)
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
    logger.warn({ path }, 'the path is too long for a socket: coffer status will not know the processes')
    return { stop: () => {} }
  }
  const server = createServer((socket) => {
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy())
    socket.on('error', () => {})
    socket.resume()
    collect().then(
      (statuses) => socket.end(JSON.stringify(statuses)),
      () => socket.destroy(),
    )
  })
  server.maxConnections = CONNECTIONS_MAX
  try {
    // Of a server that was killed: the lock of the data directory says that no other runs.
    await rm(path, { force: true })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject).listen(path, resolve)
    await promise
    await chmod(path, 0o600)
  } catch (error) {
    logger.warn(
      { path, reason: codeOf(error) },
      'no socket can be made here: coffer status will not know the processes',
    )
  }
  server.on('error', () => {})
  server.unref()
  return { stop: () => void server.close() }
}

/** Undefined: no server answers there. */
export async function readStatusSocket(dataPath: string): Promise<readonly ProcessStatus[] | undefined> {
  const path = join(dataPath, NAME)
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) return undefined
  const socket = connect(path)
  socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy(new Error('no answer')))
  try {
    const pieces: Buffer[] = []
    let sizeBytes = 0
    for await (const piece of socket as AsyncIterable<Buffer>) {
      sizeBytes += piece.length
      if (sizeBytes > ANSWER_BYTES_MAX) return undefined
      pieces.push(piece)
    }
    return JSON.parse(Buffer.concat(pieces).toString('utf8')) as readonly ProcessStatus[]
  } catch {
    return undefined
  } finally {
    socket.destroy()
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}
