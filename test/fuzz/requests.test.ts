import { readdirSync, readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { CreateMultipartUploadCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RawRequest, sendSigned } from '../harness/raw-request.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { startServer } from '../harness/start-server.ts'
import { type Ground, mutatedRequests } from './mutated-requests.ts'

/** More of it: `FUZZ_SECONDS=600 npx vitest run test/fuzz`. FUZZ_SEED repeats a run. */
const SECONDS = Number(process.env.FUZZ_SECONDS ?? '10')
const SEED = Number(process.env.FUZZ_SEED ?? String(Date.now() % 1_000_000))
const RISE_BYTES_MAX = 300 * 1024 * 1024
const TEST_TIMEOUT_MS = SECONDS * 1000 + 120_000
/** What a server says that has failed; that it is busy or has not got something are answers. */
const FAILURES: readonly number[] = [500, 502, 504]

/** Resident bytes of all processes that run on this data directory: they have it in their environment. */
function residentBytes(dataDir: string): number {
  let sum = 0
  // Elsewhere than on Linux the rise is not looked at.
  if (process.platform !== 'linux') return 0
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`COFFER_DATA_DIR=${dataDir}\0`)) continue
      const [, kibibytes = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
      sum += Number(kibibytes) * 1024
    } catch {
      // Ended meanwhile, or somebody else's.
    }
  }
  return sum
}

describe('mutated requests', () => {
  it(
    'never make the server fail, hang, end or grow',
    async () => {
      const server = await startServer({
        workers: 1,
        env: {
          COFFER_OBJECT_OWNERSHIP: 'ObjectWriter',
          COFFER_PUBLIC_ACCESS: 'allowed',
          COFFER_SIGNATURE_VERSION_2: 'allowed',
        },
      })
      const agent = new Agent({ ca: readFileSync(server.caFile), keepAlive: true, maxSockets: 1 })
      try {
        const s3 = s3Client(server)
        const bucket = await newBucket(s3, { versioning: 'Enabled' })
        const { VersionId = '' } = await s3.send(
          new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x'.repeat(1000) }),
        )
        const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'k' }))
        const ground: Ground = { bucket, key: 'k', versionId: VersionId, uploadId: UploadId }
        const deadline = Date.now() + SECONDS * 1000
        let residentBefore = 0
        let count = 0
        const answered = async (request: RawRequest) => {
          const { status, body } = await sendSigned(server, { ...request, agent })
          count++
          if (count === 200) residentBefore = residentBytes(server.dataDir)
          if (FAILURES.includes(status)) throw new Error(`${status}: ${body.toString().slice(0, 300)}`)
        }
        await fc.assert(fc.asyncProperty(mutatedRequests(ground), answered), {
          seed: SEED,
          numRuns: 10_000_000,
          interruptAfterTimeLimit: SECONDS * 1000,
          endOnFailure: true,
        })
        expect(Date.now()).toBeGreaterThanOrEqual(deadline - 1000)
        expect(count).toBeGreaterThan(50)
        await s3.send(new ListObjectsV2Command({ Bucket: await newBucket(s3) }))
        expect(server.logs()).not.toMatch(/request failed unexpectedly|unhandled|uncaught/i)
        if (residentBefore > 0) {
          expect(residentBytes(server.dataDir) - residentBefore).toBeLessThan(RISE_BYTES_MAX)
        }
      } finally {
        agent.destroy()
        await server.dispose()
      }
    },
    TEST_TIMEOUT_MS,
  )
})
