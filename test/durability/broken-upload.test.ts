import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { queryString, signedChunks, signHeaders } from '../harness/sigv4-client.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)

const SIZE_BYTES = 3_000_000
const SENT_BYTES = 1_700_000
const PATIENCE = { timeout: 60_000 }

function blobFiles(): string[] {
  return readdirSync(join(server.dataDir, 'blobs'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
}

/** The one that stays; what a cut upload has begun may be seen for a moment, and begun a moment after the cut. */
async function keptBlob(): Promise<string> {
  await expect.poll(() => blobFiles().length, PATIENCE).toBe(1)
  return blobFiles()[0] ?? ''
}

async function untilBlobsAre(expected: readonly string[]): Promise<void> {
  await expect.poll(blobFiles, PATIENCE).toEqual(expected)
}

/** Sends the head and the first bytes of an upload, then cuts the connection. */
async function cutUpload(path: string, query: Record<string, string>, how: 'plain' | 'chunked'): Promise<void> {
  const body = randomBytes(SIZE_BYTES)
  const chunked = how === 'chunked'
  const { headers, seed } = signHeaders(
    {
      method: 'PUT',
      path,
      query,
      headers: {
        host: `127.0.0.1:${server.port}`,
        ...(chunked && { 'x-amz-decoded-content-length': String(SIZE_BYTES), 'content-encoding': 'aws-chunked' }),
      },
      payloadHash: chunked ? 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' : 'UNSIGNED-PAYLOAD',
    },
    server,
  )
  const wire = chunked ? signedChunks(body, 65_536, seed) : body
  const search = queryString(query)
  const lines = [`PUT ${path}${search && `?${search}`} HTTP/1.1`, `content-length: ${wire.length}`]
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  const socket = connect({
    host: '127.0.0.1',
    port: server.port,
    ca: readFileSync(server.caFile),
    servername: 'localhost',
  })
  await new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('secureConnect', resolve)
  })
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  await new Promise((resolve) => socket.write(wire.subarray(0, SENT_BYTES), resolve))
  socket.destroy()
}

it.each(['plain', 'chunked'] as const)('a client that stops mid-upload (%s) leaves nothing behind', async (how) => {
  for (let index = 0; index < 5; index++) await cutUpload(`/${bucket}/cut-${index}`, {}, how)
  await untilBlobsAre([])
  expect((await s3.send(new ListObjectsV2Command({ Bucket: bucket }))).KeyCount).toBe(0)
})

it('the object that was there before stays whole', async () => {
  const body = randomBytes(500_000)
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'kept', Body: body }))
  const kept = await keptBlob()
  for (const how of ['plain', 'chunked'] as const) await cutUpload(`/${bucket}/kept`, {}, how)
  await untilBlobsAre([kept])
  const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'kept' }))
  expect((await bytesOf(got)).equals(body)).toBe(true)
})

it('a part that stops midway is no part', async () => {
  const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'upload' }))
  const kept = await keptBlob()
  await cutUpload(`/${bucket}/upload`, { partNumber: '1', uploadId: UploadId }, 'plain')
  await untilBlobsAre([kept])
  const parts = await s3.send(new ListPartsCommand({ Bucket: bucket, Key: 'upload', UploadId }))
  expect(parts.Parts ?? []).toEqual([])
})
