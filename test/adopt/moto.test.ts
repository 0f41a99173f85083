import { createHash, randomBytes } from 'node:crypto'
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { type CofferServer, startServer } from '../harness/start-server.ts'
import { type Moto, startMoto } from '../kms/moto.ts'
import { credentialsFileFor, progressOf, startAdopt, untilJob } from './adopting.ts'
import { putInParts } from './put-in-parts.ts'
import { startTamperingProxy } from './tampering-proxy.ts'

const OBJECTS = 40
const PART_BYTES = 5 * 2 ** 20

describeWithPrograms('adopting a bucket of a store that another wrote (moto)', ['moto_server'], ({ moto_server }) => {
  let moto: Moto | undefined
  let target: CofferServer | undefined
  afterAll(async () => {
    await target?.dispose()
    await moto?.stop()
  })

  it('takes objects, and what was uploaded in parts, with ETags and tags', async () => {
    moto = await startMoto(moto_server)
    target = await startServer({ workers: 1 })
    const source = { endpoint: moto.endpoint, accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'any-will-do' }
    const theirs = s3Client({ ...source, caFile: target.caFile }, { maxSockets: 8 })
    const from = await newBucket(theirs)
    const keys = Array.from({ length: OBJECTS }, (_, index) => `folder ${index % 7}/${index}+ü`)
    await Promise.all(
      keys.map((Key) => theirs.send(new PutObjectCommand({ Bucket: from, Key, Body: `body of ${Key}` }))),
    )
    const tagged = { Body: 'tagged', Tagging: 'a=b&c=d', Metadata: { who: 'me' }, ContentType: 'text/plain' }
    await theirs.send(new PutObjectCommand({ Bucket: from, Key: 'tagged', ...tagged }))
    const large = randomBytes(PART_BYTES + 4_321)
    await putInParts(theirs, { Bucket: from, Key: 'large' }, large)

    const ours = s3Client(target)
    const to = await newBucket(ours)
    const place = { endpoint: moto.endpoint, bucket: from, credentialsFile: credentialsFileFor(source) }
    const job = await untilJob(target, (await startAdopt(target, place, to)).id)
    expect(progressOf(job)).toMatchObject({ changed: { objectCount: OBJECTS + 2 }, failedCount: 0 })
    for (const Key of keys.filter((_, index) => index % 9 === 0)) {
      const got = await ours.send(new GetObjectCommand({ Bucket: to, Key }))
      expect((await bytesOf(got)).toString()).toBe(`body of ${Key}`)
      const there = await theirs.send(new HeadObjectCommand({ Bucket: from, Key }))
      expect([got.ETag, got.LastModified]).toEqual([there.ETag, there.LastModified])
    }
    const note = await ours.send(new GetObjectCommand({ Bucket: to, Key: 'tagged' }))
    expect([note.TagCount, note.Metadata, note.ContentType]).toEqual([2, { who: 'me' }, 'text/plain'])
    const got = await ours.send(new GetObjectCommand({ Bucket: to, Key: 'large' }))
    const there = await theirs.send(new HeadObjectCommand({ Bucket: from, Key: 'large' }))
    expect(there.ETag).toMatch(/-2"$/)
    expect(
      createHash('sha256')
        .update(await bytesOf(got))
        .digest('hex'),
    ).toBe(createHash('sha256').update(large).digest('hex'))
    expect(got.ETag).toBe(there.ETag)
    const again = await untilJob(target, (await startAdopt(target, place, to)).id)
    expect(progressOf(again)).toMatchObject({ changed: { objectCount: 0 }, skippedCount: OBJECTS + 2, failedCount: 0 })
  })

  it('finds out what was changed on its way, also in a part, and goes on where a body breaks off', async () => {
    if (moto === undefined || target === undefined) throw new Error('the test before starts them')
    const source = { endpoint: moto.endpoint, accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'any-will-do' }
    const theirs = s3Client({ ...source, caFile: target.caFile })
    const from = await newBucket(theirs)
    const body = randomBytes(300_000)
    for (const Key of ['cut', 'small-victim', 'victim']) {
      await theirs.send(new PutObjectCommand({ Bucket: from, Key, Body: Key === 'small-victim' ? 'small' : body }))
    }
    await putInParts(theirs, { Bucket: from, Key: 'victim-parts' }, randomBytes(PART_BYTES + 1000))
    await using proxy = await startTamperingProxy(moto.endpoint)
    const ours = s3Client(target)
    const to = await newBucket(ours)
    const place = { endpoint: proxy.endpoint, bucket: from, credentialsFile: credentialsFileFor(source) }
    const job = await untilJob(target, (await startAdopt(target, place, to)).id)
    const code = 'ROTATION_SOURCE_DAMAGED'
    expect(progressOf(job)).toMatchObject({ changed: { objectCount: 1 }, failedCount: 3 })
    expect(progressOf(job).failures.toSorted((a, b) => (a.what < b.what ? -1 : 1))).toEqual([
      { what: 'small-victim', code, reason: 'MD5' },
      { what: 'victim', code, reason: 'MD5' },
      { what: 'victim-parts', code, reason: 'MD5 of parts' },
    ])
    expect(proxy.cutCount()).toBe(1)
    const got = await ours.send(new GetObjectCommand({ Bucket: to, Key: 'cut' }))
    expect((await bytesOf(got)).equals(body)).toBe(true)
    // Nothing of what was refused is left.
    const scrubbed = await cofferJson<{ blobsSeen: number; damaged: unknown[] }>(target, ['scrub'])
    expect(scrubbed).toMatchObject({ blobsSeen: 3, damaged: [] })
  })
})
