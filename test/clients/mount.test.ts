import { createHash, randomBytes } from 'node:crypto'
import {
  accessSync,
  appendFileSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { run, runOrThrow } from '../harness/coffer-command.ts'
import { describeUnavailable, describeWithPrograms } from '../harness/find-program.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { cleanEnvironment, serverForSuite, temporaryDirectory } from '../harness/start-server.ts'
import { documented, documentedVariables } from './documented.ts'
import { digests, gatherRealFiles } from './real-files.ts'

const TIMEOUT_MS = 120_000
/** More than s3fs sends in one piece (25 MiB), so that it goes in parts and a change of it copies the parts that stay. */
const LARGE_BYTES = 30 * 1024 * 1024

function hasFuse(): boolean {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

const server = await serverForSuite()
const s3 = s3Client(server)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

if (!hasFuse()) describeUnavailable('s3fs', 'there is no /dev/fuse that this user may open')
else {
  describeWithPrograms('a bucket mounted by s3fs', ['s3fs', 'fusermount'], ({ fusermount }) => {
    const directory = temporaryDirectory('mount')
    const mounted = join(directory, 'mounted')
    let bucket = ''

    beforeAll(async () => {
      bucket = await newBucket(s3)
      mkdirSync(mounted)
      const command = documented('s3fs', 'sh', server).replace('papers /mnt/papers', `${bucket} ${mounted}`)
      const env = cleanEnvironment(documentedVariables('AWS CLI and SDKs', server))
      await runOrThrow('/bin/sh', ['-c', command], { env, timeoutMs: TIMEOUT_MS })
    })

    afterAll(async () => {
      await run(fusermount, ['-uz', mounted], { env: process.env })
      rmSync(directory, { recursive: true, force: true })
    })

    const objectAt = async (Key: string): Promise<Buffer> =>
      await bytesOf(await s3.send(new GetObjectCommand({ Bucket: bucket, Key })))

    it(
      'keeps real files, which can be renamed with their folder and removed',
      async () => {
        const source = join(directory, 'source')
        gatherRealFiles(source, { filesMax: 15, bytesMax: 3_000_000 })
        await runOrThrow('/bin/cp', ['-r', source, join(mounted, 'files')], { env: process.env, timeoutMs: TIMEOUT_MS })
        expect(digests(join(mounted, 'files'))).toEqual(digests(source))
        const [first = ''] = digests(source).keys()
        expect(await objectAt(`files/${first}`)).toEqual(readFileSync(join(source, first)))
        renameSync(join(mounted, 'files'), join(mounted, 'renamed & more'))
        expect(digests(join(mounted, 'renamed & more'))).toEqual(digests(source))
        rmSync(join(mounted, 'renamed & more'), { recursive: true })
        expect(readdirSync(mounted)).toEqual([])
      },
      TIMEOUT_MS,
    )

    it(
      'keeps a large file in parts, and what is written into and after it',
      async () => {
        const expected = randomBytes(LARGE_BYTES)
        const path = join(mounted, 'large')
        writeFileSync(path, expected)
        expect(sha256(await objectAt('large'))).toBe(sha256(expected))
        const change = randomBytes(100)
        change.copy(expected, LARGE_BYTES / 2)
        const file = openSync(path, 'r+')
        writeSync(file, change, 0, change.length, LARGE_BYTES / 2)
        closeSync(file)
        appendFileSync(path, 'the end')
        const longer = Buffer.concat([expected, Buffer.from('the end')])
        expect(sha256(await objectAt('large'))).toBe(sha256(longer))
        const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'large' }))
        expect(head.ETag).toMatch(/-\d+"$/)
        truncateSync(path, 1000)
        expect(await objectAt('large')).toEqual(expected.subarray(0, 1000))
        rmSync(path)
      },
      TIMEOUT_MS,
    )

    it('keeps modes, times and links', async () => {
      const path = join(mounted, 'a file with ü')
      writeFileSync(path, 'x', { mode: 0o640 })
      utimesSync(path, 1_000_000_000, 1_000_000_000)
      symlinkSync('a file with ü', join(mounted, 'link'))
      const stat = statSync(join(mounted, 'link'))
      expect([stat.mode & 0o777, stat.mtimeMs]).toEqual([0o640, 1_000_000_000_000])
      expect(readlinkSync(join(mounted, 'link'))).toBe('a file with ü')
      expect((await objectAt('a file with ü')).toString()).toBe('x')
    })
  })
}
