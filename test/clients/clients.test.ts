import { createHash } from 'node:crypto'
import { cpSync, createReadStream, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { cleanEnvironment, serverForSuite, temporaryDirectory } from '../harness/start-server.ts'
import { documented, documentedVariables } from './documented.ts'
import { copyLargeFile, digests, gatherRealFiles } from './real-files.ts'

const MANY = { filesMax: 450, bytesMax: 60_000_000 }
/** For clients that send one request after the other. */
const FEW = { filesMax: 60, bytesMax: 10_000_000 }
const LARGE_FILE_BYTES_MAX = 40_000_000
const READS_AT_ONCE = 16
const ODD_NAME = 'a name with ü, spaces & +plus.txt'
const TIMEOUT_MS = 120_000

const server = await serverForSuite()
const s3 = s3Client(server)
const directory = temporaryDirectory('clients')
const many = join(directory, 'many')
const few = join(directory, 'few')
let manyDigests = new Map<string, string>()
let fewDigests = new Map<string, string>()

beforeAll(() => {
  gatherRealFiles(many, MANY)
  copyLargeFile(many, LARGE_FILE_BYTES_MAX)
  gatherRealFiles(few, FEW)
  writeFileSync(join(few, ODD_NAME), 'odd name')
  manyDigests = digests(many)
  fewDigests = digests(few)
  expect(manyDigests.size).toBeGreaterThan(100)
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

const env = cleanEnvironment({
  ...documentedVariables('AWS CLI and SDKs', server),
  HOME: directory,
  LANG: 'C.UTF-8',
  AWS_EC2_METADATA_DISABLED: 'true',
})

async function exec(program: string, ...args: string[]): Promise<string> {
  return (await runOrThrow(program, args, { env, timeoutMs: TIMEOUT_MS })).stdout
}

/** Reads a whole bucket with a client that knows nothing but the CA file and the credentials. */
async function digestsOfBucket(Bucket: string): Promise<Map<string, string>> {
  const fresh = s3Client(server)
  const keys: string[] = []
  let token: string | undefined
  do {
    const page = await fresh.send(new ListObjectsV2Command({ Bucket, ...(token && { ContinuationToken: token }) }))
    keys.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''))
    token = page.NextContinuationToken
  } while (token)
  const found = new Map<string, string>()
  const reader = async (): Promise<void> => {
    for (let Key = keys.pop(); Key !== undefined; Key = keys.pop()) {
      const body = await bytesOf(await fresh.send(new GetObjectCommand({ Bucket, Key })))
      found.set(Key, createHash('sha256').update(body).digest('hex'))
    }
  }
  await Promise.all(Array.from({ length: READS_AT_ONCE }, reader))
  fresh.destroy()
  return found
}

function sorted(map: ReadonlyMap<string, string>): [string, string][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}

async function expectSame(Bucket: string, expected: ReadonlyMap<string, string>): Promise<void> {
  expect(sorted(await digestsOfBucket(Bucket))).toEqual(sorted(expected))
}

it(
  'the AWS SDK for JavaScript brings real files in and back',
  async () => {
    const bucket = await newBucket(s3)
    const names = [...manyDigests.keys()]
    const writer = async (): Promise<void> => {
      for (let Key = names.pop(); Key !== undefined; Key = names.pop()) {
        const path = join(many, Key)
        const ContentLength = statSync(path).size
        await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: createReadStream(path), ContentLength }))
      }
    }
    await Promise.all(Array.from({ length: READS_AT_ONCE }, writer))
    await expectSame(bucket, manyDigests)
  },
  TIMEOUT_MS,
)

describeWithPrograms('rclone', ['rclone'], ({ rclone }) => {
  it(
    'copies real files in, checks them and copies them back; keeps a folder in step, with names and contents hidden',
    async () => {
      const { AWS_CA_BUNDLE: _notRead, ...withoutBundle } = env
      const RCLONE_CONFIG = join(directory, 'rclone.conf')
      writeFileSync(RCLONE_CONFIG, documented('rclone', 'ini', server), { mode: 0o600 })
      const settings = {
        ...documentedVariables('rclone', server),
        RCLONE_CONFIG,
        RCLONE_S3_UPLOAD_CUTOFF: '6M',
        RCLONE_S3_CHUNK_SIZE: '5M',
        RCLONE_TRANSFERS: '8',
      }
      const run = async (...args: string[]): Promise<void> => {
        await runOrThrow(rclone, args, { env: { ...withoutBundle, ...settings }, timeoutMs: TIMEOUT_MS })
      }
      await run('mkdir', 'coffer:by-rclone')
      await run('copy', many, 'coffer:by-rclone')
      await run('check', '--download', many, 'coffer:by-rclone')
      await expectSame('by-rclone', manyDigests)
      const back = join(directory, 'back-by-rclone')
      await run('copy', 'coffer:by-rclone', back)
      expect(sorted(digests(back))).toEqual(sorted(manyDigests))
      await run('purge', 'coffer:by-rclone')

      await run('config', 'password', 'sealed', 'password', 'only for this test')
      const synced = join(directory, 'synced-by-rclone')
      cpSync(few, synced, { recursive: true })
      await run('sync', synced, 'sealed:')
      rmSync(join(synced, ODD_NAME))
      writeFileSync(join(synced, 'new.txt'), 'new')
      await run('sync', synced, 'sealed:')
      await run('cryptcheck', synced, 'sealed:')
      const stored = await digestsOfBucket('by-crypt')
      expect(stored.size).toBe(fewDigests.size)
      expect([...stored.keys()].some((key) => key.includes('new'))).toBe(false)
    },
    TIMEOUT_MS,
  )
})

describeWithPrograms('AWS CLI', ['aws'], ({ aws }) => {
  it(
    'copies real files in and back',
    async () => {
      const s3 = async (...args: string[]): Promise<string> =>
        await exec(aws, '--endpoint-url', server.endpoint, 's3', ...args)
      await s3('mb', 's3://by-aws')
      await s3('cp', '--recursive', '--quiet', many, 's3://by-aws')
      await expectSame('by-aws', manyDigests)
      const back = join(directory, 'back-by-aws')
      await s3('sync', '--quiet', 's3://by-aws', back)
      expect(sorted(digests(back))).toEqual(sorted(manyDigests))
      await s3('rb', '--force', 's3://by-aws')
    },
    TIMEOUT_MS,
  )
})

describeWithPrograms('s3cmd', ['s3cmd'], ({ s3cmd }) => {
  it(
    'copies real files in and back',
    async () => {
      const config = join(directory, 's3cfg')
      const inParts = ['--multipart-chunk-size-mb=5', '--no-progress']
      writeFileSync(config, documented('s3cmd', 'ini', server), { mode: 0o600 })
      const run = async (...args: string[]): Promise<string> => await exec(s3cmd, '-c', config, ...inParts, ...args)
      await run('mb', 's3://by-s3cmd')
      await run('put', '--recursive', `${few}/`, 's3://by-s3cmd/')
      await expectSame('by-s3cmd', fewDigests)
      const back = join(directory, 'back-by-s3cmd')
      mkdirSync(back)
      await run('get', '--recursive', 's3://by-s3cmd/', back)
      expect(sorted(digests(back))).toEqual(sorted(fewDigests))
      await run('rb', '--recursive', '--force', 's3://by-s3cmd')
    },
    TIMEOUT_MS,
  )
})

describeWithPrograms('restic', ['restic'], ({ restic }) => {
  it(
    'backs real files up, checks every byte of the backup and restores it',
    async () => {
      const [, ...repository] = documented('restic', 'sh', server)
        .trim()
        .replace(/ init$/, ' --no-cache')
        .split(' ')
      const settings = { ...env, RESTIC_PASSWORD: 'only for this test' }
      const run = async (...args: string[]): Promise<void> => {
        await runOrThrow(restic, [...repository, ...args], { env: settings, timeoutMs: TIMEOUT_MS })
      }
      await run('init')
      await run('backup', many)
      writeFileSync(join(many, 'added later.txt'), 'added later')
      await run('backup', many)
      await run('check', '--read-data')
      const back = join(directory, 'back-by-restic')
      await run('restore', 'latest', '--target', back)
      expect(sorted(digests(join(back, many)))).toEqual(sorted(digests(many)))
      await run('forget', '--keep-last', '1', '--prune')
      await run('check')
    },
    TIMEOUT_MS,
  )
})

describeWithPrograms('duplicity', ['duplicity'], ({ duplicity }) => {
  /** Of the first: its names hold it, as 20260131T235959Z. */
  const timeOfFullBackup = async (): Promise<string> => {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'by-duplicity' }))
    const names = Contents.map(({ Key = '' }) => /full\.(\w+)\.manifest/.exec(Key)?.[1] ?? '').filter(
      (name) => name !== '',
    )
    const time = /^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/.exec(names.sort()[0] ?? '')?.slice(1)
    if (!time) throw new Error('there is no full backup')
    return `${time[0]}-${time[1]}-${time[2]}:${time[3]}:${time[4]}`
  }

  it(
    'backs real files up in full and what has changed, verifies, and restores both times',
    async () => {
      const source = join(directory, 'for-duplicity')
      cpSync(few, source, { recursive: true })
      const [, ...words] = documented('duplicity', 'sh', server).trim().split(' ')
      const url = words.at(-1) ?? ''
      const settings = [...words.slice(0, -2), '--archive-dir', join(directory, 'duplicity'), '--tempdir', directory]
      const run = async (...args: string[]): Promise<void> => {
        const PASSPHRASE = 'only for this test'
        const [command = '', ...rest] = args
        await runOrThrow(duplicity, [command, ...settings, ...rest], {
          env: { ...env, PASSPHRASE },
          timeoutMs: TIMEOUT_MS,
        })
      }
      try {
        await s3.send(new CreateBucketCommand({ Bucket: 'by-duplicity' }))
        await run('full', source, url)
        const time = await timeOfFullBackup()
        const before = digests(source)
        writeFileSync(join(source, ODD_NAME), 'changed')
        await run('incremental', source, url)
        await run('verify', '--compare-data', url, source)
        // Not what it keeps here of its own about the backups: what a new machine would find.
        rmSync(join(directory, 'duplicity'), { recursive: true })
        const [now, then] = [join(directory, 'now-by-duplicity'), join(directory, 'then-by-duplicity')]
        await run('restore', url, now)
        expect(sorted(digests(now))).toEqual(sorted(digests(source)))
        await run('restore', '--time', time, url, then)
        expect(sorted(digests(then))).toEqual(sorted(before))
        await run('full', source, url)
        await run('remove-all-but-n-full', '1', '--force', url)
        expect(await timeOfFullBackup()).not.toBe(time)
      } finally {
        await runOrThrow('gpgconf', ['--kill', 'gpg-agent'], { env })
      }
    },
    TIMEOUT_MS,
  )
})
