/**
 * How fast a job encrypts objects anew: large ones beside a plain copy of the same files, each read, written and flushed; small
 * ones by their number. `node test/bench/reencrypt.ts [MiB of large objects] [small objects] [rounds]`
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { JobProgress } from '@coffer/contracts'
import type { Job } from '@coffer/job-queue'
import { startCoffer } from './bench-server.ts'

const COFFER = resolve(import.meta.dirname, '../../services/coffer/bin/coffer.js')
const [largeMiB = 1024, smallCount = 20_000, rounds = 3] = process.argv.slice(2).map(Number)
const LARGE_MIB = 32
const SMALL_BYTES = 4096
const CONNECTIONS = 32
/** As many files at once as the job has objects under way. */
const COPIES_AT_ONCE = 16
const COPY_PIECE_BYTES = 1024 * 1024

const coffer = await startCoffer()
const data = join(coffer.dataDir, 'data')
const client = new S3Client({
  endpoint: coffer.endpoint.url,
  region: 'us-east-1',
  forcePathStyle: true,
  credentials: { accessKeyId: 'bench', secretAccessKey: 'bench-secret' },
})
try {
  await fill('large', Math.ceil(largeMiB / LARGE_MIB), LARGE_MIB * 2 ** 20)
  await fill('small', smallCount, SMALL_BYTES)
  for (let round = 1; round <= rounds; round++) {
    // In turns: what one leaves to be written to the disk, the next waits for.
    const copiedFirst = round % 2 === 1 ? await copyBlobs() : undefined
    const large = reencrypt('large')
    const copyMs = copiedFirst ?? (await copyBlobs())
    const small = reencrypt('small')
    const [copied, changed] = [largeMiB / copyMs, large.changed.sizeBytes / 2 ** 20 / large.runMs].map(
      (rate) => rate * 1000,
    )
    console.log(
      `round ${round}: plain copy ${copied?.toFixed(0)} MiB/s, re-encrypted ${changed?.toFixed(0)} MiB/s: ratio ${(
        (changed ?? 0) / (copied ?? 1)
      ).toFixed(
        2,
      )}; objects of ${SMALL_BYTES} bytes: ${((small.changed.objectCount / small.runMs) * 1000).toFixed(0)}/s`,
    )
  }
} finally {
  client.destroy()
  await coffer.stop()
}

async function fill(bucket: string, count: number, sizeBytes: number): Promise<void> {
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  const Body = randomBytes(sizeBytes)
  await atOnce(sizeBytes > SMALL_BYTES ? 4 : CONNECTIONS, count, async (index) => {
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: `object-${index}`, Body }))
  })
}

function reencrypt(bucket: string): JobProgress {
  const words = ['job', 'start', 'reencrypt', '--bucket', bucket, '--follow', '--json', '--data-dir', data]
  const answer = execFileSync(process.execPath, [COFFER, ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return (JSON.parse(answer) as Job).result as unknown as JobProgress
}

async function copyBlobs(): Promise<number> {
  const target = join(coffer.dataDir, 'copies')
  await mkdir(target)
  const files = (await readdir(join(data, 'blobs'), { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  )
  const startedAt = performance.now()
  await atOnce(COPIES_AT_ONCE, files.length, async (index) => {
    const file = files[index]
    if (file === undefined) return
    await using from = await open(join(file.parentPath, file.name))
    await using to = await open(join(target, String(index)), 'wx')
    const buffer = Buffer.allocUnsafe(COPY_PIECE_BYTES)
    for (;;) {
      const { bytesRead } = await from.read(buffer, 0, buffer.length)
      if (bytesRead === 0) break
      await to.write(buffer, 0, bytesRead)
    }
    await to.datasync()
  })
  const ms = performance.now() - startedAt
  await rm(target, { recursive: true })
  return ms
}

async function atOnce(limit: number, count: number, act: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await act(next++)
  }
  await Promise.all(Array.from({ length: limit }, worker))
}
