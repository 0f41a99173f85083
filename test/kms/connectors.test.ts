import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3'
import type { KeyUse, RewrapReport } from '@coffer/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite, temporaryDirectory } from '../harness/start-server.ts'
import { installExampleKms } from './install-example.ts'

type Mood = 'well' | 'away' | 'hanging' | 'rubbish' | 'wrong-key'

/** What a worker knows of a key it may rely on for 2 s; and a little. */
const LEASE_MS = 2_500

const directory = temporaryDirectory('kms')
installExampleKms(directory)
const kmsFile = join(directory, 'kms.yaml')
writeFileSync(
  kmsFile,
  `connectors:\n  example:\n    type: example-kms\n    directory: ${directory}\n    timeoutMs: 1500\n`,
)
writeFileSync(join(directory, 'seed'), randomBytes(32))
const feel = (mood: Mood) => writeFileSync(join(directory, 'mood'), mood)
feel('well')

/** One worker: each has a cache of its own. */
const server = await serverForSuite({ workers: 1, env: { COFFER_KMS_FILE: kmsFile } })
const s3 = s3Client(server)
const bucket = await newBucket(s3)
await cofferJson(server, ['key', 'create', 'example/k1'])

const DIRECT = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'example/k1' } as const
const THROUGH_BUCKET_KEY = { ...DIRECT, BucketKeyEnabled: true } as const
const put = (Key: string, sse: object = {}) => s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Key, ...sse }))
const read = async (Key: string) =>
  (await bytesOf(await s3.send(new GetObjectCommand({ Bucket: bucket, Key })))).toString()

afterEach(() => feel('well'))

describe('a connector of a third party', () => {
  it('is named in a file, and its keys are used like any other', async () => {
    await put('direct', DIRECT)
    await put('bucket-key', THROUGH_BUCKET_KEY)
    expect([await read('direct'), await read('bucket-key')]).toEqual(['direct', 'bucket-key'])
    const use = await cofferJson<KeyUse>(server, ['key', 'usage', 'example/k1'])
    expect(use).toMatchObject({ connector: 'example', versions: [{ version: 1, objectCount: 2, bucketKeyCount: 1 }] })
  })

  it('takes no key from outside if it does not say that it can', async () => {
    const file = join(directory, 'material')
    writeFileSync(file, randomBytes(32))
    const refused = await coffer(['key', 'import', 'example/k2', '--file', file], server.env)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('KMS_NOT_SUPPORTED')
  })

  it('takes over what another KMS wraps, and gives it back', async () => {
    await put('mover')
    const there = await cofferJson<RewrapReport>(server, ['key', 'rewrap', 'coffer', '--to', 'example/k1'])
    expect(there).toMatchObject({ identitiesRewrapped: true, failures: [] })
    expect(await read('mover')).toBe('mover')
    const back = await cofferJson<RewrapReport>(server, ['key', 'rewrap', 'example/k1', '--to', 'coffer'])
    expect(back).toMatchObject({ identitiesRewrapped: true, failures: [], directObjectCount: 1 })
    expect([await read('mover'), await read('direct')]).toEqual(['mover', 'direct'])
  })
})

describe('while a KMS does not do its work', () => {
  it.each<Mood>(['away', 'rubbish', 'hanging'])(
    '(%s) what needs it is 503 with Retry-After, the rest goes on',
    async (mood) => {
      await put('direct', DIRECT)
      await put('cached', THROUGH_BUCKET_KEY)
      feel(mood)
      await sleep(LEASE_MS)
      const answer = await sendSigned(server, { method: 'GET', path: `/${bucket}/direct` })
      expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1'])
      expect(answer.body.toString()).not.toContain('secret-in-an-error')
      expect((await failureOf(put('refused', DIRECT))).status).toBe(503)
      await put('unaffected')
      expect(await read('unaffected')).toBe('unaffected')
      // A bucket key that a worker has in hand is good for 15 minutes.
      await put('cached-2', THROUGH_BUCKET_KEY)
      expect([await read('cached'), await read('cached-2')]).toEqual(['cached', 'cached-2'])
      const listed = await s3.send(new ListObjectsV2Command({ Bucket: bucket }))
      expect(listed.Contents?.map(({ Key }) => Key)).not.toContain('refused')
      feel('well')
      // A failing KMS is left alone for 5 s.
      await expect.poll(() => read('direct')).toBe('direct')
    },
  )

  it('(wrong key) a read fails, and no wrong byte is given out', async () => {
    await put('direct', DIRECT)
    feel('wrong-key')
    expect((await failureOf(read('direct'))).status).toBe(500)
    await expect.poll(() => server.logs()).toContain('integrity')
    feel('well')
    expect(await read('direct')).toBe('direct')
  })
})

describe('a file of connectors', () => {
  it.each([
    ['default: nothing', 'there is no connector nothing'],
    ['connectors: {local: {type: example-kms}}', 'the built-in connector'],
    ['connectors: {alias: {type: example-kms}}', 'names of aliases'],
    ['connectors: {a: {type: no-such-package}}', 'neither one of'],
    ['connectors: {a: {type: example-kms, directori: x}}', 'directori'],
    ['connectors: {a: {}}', 'connectors.a.type'],
    ['conectors: {}', 'conectors'],
    ['connectors: {"A/b": {type: example-kms}}', 'connectors.A/b'],
  ])('with %s stops the start and says why', async (text, why) => {
    const wrong = join(directory, 'wrong.yaml')
    writeFileSync(wrong, text)
    const started = await coffer(['key', 'list'], { ...server.env, COFFER_KMS_FILE: wrong })
    expect(started.code).toBe(1)
    expect(started.stderr).toContain('COFFER_KMS_CONFIGURATION_INVALID')
    expect(started.stderr).toContain(why)
  })
})
