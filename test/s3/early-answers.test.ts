import { readFileSync } from 'node:fs'
import { connect, type TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const PAUSE_MS = 200
const opened: TLSSocket[] = []
afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy()
})

/** A connection that keeps what it got and what went wrong with it. */
async function connection() {
  const socket = connect({ host: '127.0.0.1', port: server.port, ca: readFileSync(server.caFile), servername: '' })
  opened.push(socket)
  const seen = { text: '', closed: false, error: undefined as Error | undefined }
  socket.on('data', (bytes: Buffer) => {
    seen.text += bytes.toString('latin1')
  })
  socket.on('error', (error) => {
    seen.error = error
  })
  socket.on('close', () => {
    seen.closed = true
  })
  await new Promise((resolve) => socket.once('secureConnect', resolve))
  return { socket, seen }
}

function refusedUpload(contentLengthBytes: number): string {
  return `PUT /no-such-bucket/key HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${contentLengthBytes}\r\n\r\n`
}

const pause = async (durationMs: number): Promise<void> =>
  await new Promise((resolve) => setTimeout(resolve, durationMs))

describe('an answer that comes before the body', () => {
  it('is read by a client that sends its whole body first; the connection is closed after that', async () => {
    const { socket, seen } = await connection()
    socket.write(refusedUpload(200_000))
    await expect.poll(() => seen.text).toContain('</Error>')
    await pause(PAUSE_MS)
    expect(seen.closed).toBe(false)
    socket.write(Buffer.alloc(100_000))
    await pause(PAUSE_MS)
    expect(seen.closed).toBe(false)
    socket.write(Buffer.alloc(100_000))
    await expect.poll(() => seen.closed).toBe(true)
    expect(seen.error).toBeUndefined()
    expect(seen.text).toMatch(/^HTTP\/1\.1 404 [\s\S]*\r\nconnection: close\r\n/i)
  })

  it('does not oblige the server to take in a large body', async () => {
    const { socket, seen } = await connection()
    socket.write(refusedUpload(1024 ** 3))
    await expect.poll(() => seen.text).toContain('</Error>')
    const piece = Buffer.alloc(64 * 1024)
    for (let sentBytes = 0; sentBytes < 64 * 1024 ** 2 && !socket.destroyed; sentBytes += piece.length) {
      await new Promise((resolve) => socket.write(piece, resolve))
    }
    await expect.poll(() => seen.closed).toBe(true)
  })

  it('leaves a silent client only a few seconds', async () => {
    const { socket, seen } = await connection()
    socket.write(refusedUpload(1000))
    await expect.poll(() => seen.text).toContain('</Error>')
    await expect.poll(() => seen.closed, { timeout: 60_000 }).toBe(true)
  })
})
