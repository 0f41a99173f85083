import { createHash, randomBytes } from 'node:crypto'
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutBucketPolicyCommand } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { type Fields, formBody, policyFields, postForm } from '../harness/posted-form.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)
const other = await newBucket(s3)

/** A policy for any key below `up/`, up to 8 MiB, and the fields of a form that keeps to it. */
const CONDITIONS = [{ bucket }, ['starts-with', '$key', 'up/'], ['content-length-range', 1, 8 * 1024 * 1024]]
const signed = (...more: unknown[]): Fields => policyFields(server, [...CONDITIONS, ...more])
const file = { name: 'photo.png', bytes: 'the file' }

async function contentOf(Key: string): Promise<Buffer> {
  return await bytesOf(await s3.send(new GetObjectCommand({ Bucket: bucket, Key })))
}

async function keysOf(Bucket: string): Promise<string[]> {
  return ((await s3.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ Key }) => Key ?? '')
}

describe('a posted form', () => {
  it('uploads its file under its key', async () => {
    const answer = await postForm(server, bucket, formBody({ key: 'up/a', ...signed() }, file))
    expect([answer.status, answer.body.length]).toEqual([204, 0])
    expect(answer.headers.etag).toBe(`"${createHash('md5').update(file.bytes).digest('hex')}"`)
    expect((await contentOf('up/a')).toString()).toBe('the file')
  })

  it.each([0, 1, 128 * 1024, 128 * 1024 + 1, 6 * 1024 * 1024 + 7])('keeps %i bytes as they are', async (sizeBytes) => {
    const bytes = randomBytes(sizeBytes)
    const fields = { key: `up/${sizeBytes}`, ...policyFields(server, [['starts-with', '$key', '']]) }
    const answer = await postForm(server, bucket, formBody(fields, { name: 'f', bytes }))
    expect([answer.status, answer.code]).toEqual([204, ''])
    expect((await contentOf(`up/${sizeBytes}`)).equals(bytes)).toBe(true)
  })

  it('gives the object its headers, metadata and the name of its file', async () => {
    const more = { 'Content-Type': 'text/plain', 'x-amz-meta-Note': 'ž', 'Cache-Control': 'no-store' }
    // biome-ignore lint/suspicious/noTemplateCurlyInString: S3's own placeholder.
    const fields = { key: 'up/${filename}', ...more, ...signed(more) }
    expect((await postForm(server, bucket, formBody(fields, file))).status).toBe(204)
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'up/photo.png' }))
    expect(head).toMatchObject({ ContentType: 'text/plain', CacheControl: 'no-store', ContentLength: 8 })
    expect(head.Metadata?.note).toBe(`=?UTF-8?B?${Buffer.from('ž').toString('base64')}?=`)
  })

  it('is answered with the document or the redirection that it asks for', async () => {
    const created = { key: 'up/b c', success_action_status: '201' }
    const document = await postForm(
      server,
      bucket,
      formBody({ ...created, ...signed({ success_action_status: '201' }) }, file),
    )
    expect(document.status).toBe(201)
    expect(document.body.toString()).toContain(`<Bucket>${bucket}</Bucket><Key>up/b c</Key><ETag>&quot;`)
    expect(document.body.toString()).toContain(`<Location>${server.endpoint}/${bucket}/up/b%20c</Location>`)
    const redirect = { success_action_redirect: 'https://example.com/done' }
    const sent = await postForm(server, bucket, formBody({ key: 'up/r', ...redirect, ...signed(redirect) }, file))
    expect(sent.status).toBe(303)
    expect(sent.headers.location).toBe(
      `https://example.com/done?bucket=${bucket}&key=up%2Fr&etag=${encodeURIComponent(sent.headers.etag ?? '')}`,
    )
  })

  it('may give a checksum, which is verified', async () => {
    const value = createHash('sha256').update(file.bytes).digest('base64')
    const right = { key: 'up/sum', 'x-amz-checksum-sha256': value, ...signed() }
    expect((await postForm(server, bucket, formBody(right, file))).headers['x-amz-checksum-sha256']).toBe(value)
    const wrong = await postForm(server, bucket, formBody({ ...right, key: 'up/no' }, { ...file, bytes: 'another' }))
    expect([wrong.status, wrong.code]).toEqual([400, 'BadDigest'])
    expect(await keysOf(bucket)).not.toContain('up/no')
  })
})

it('a form is of the page and the program that send it, to policies, whatever it says itself', async () => {
  const Bucket = await newBucket(s3)
  const Condition = { StringNotLike: { 'aws:Referer': 'https://app.example.org/*', 'aws:UserAgent': 'Uploader/*' } }
  const Deny = {
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:PutObject',
    Resource: `arn:aws:s3:::${Bucket}/*`,
    Condition,
  }
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: Deny })
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
  const post = async (key: string, headers: Fields, more: Fields = {}) => {
    const said = policyFields(server, [
      ['starts-with', '$key', ''],
      ...Object.entries(more).map(([name, value]) => ({ [name]: value })),
    ])
    return (await postForm(server, Bucket, formBody({ key, ...more, ...said }, file), headers)).code
  }
  const right = { referer: 'https://app.example.org/upload', 'user-agent': 'Uploader/1' }
  expect(await post('right', right)).toBe('')
  expect(await post('neither', {})).toBe('AccessDenied')
  expect(await post('elsewhere', { referer: 'https://evil.example/', 'user-agent': 'curl/8' })).toBe('AccessDenied')
  expect(await post('in-the-form', {}, right)).not.toBe('')
  expect(await keysOf(Bucket)).toEqual(['right'])
})

describe('a form that is refused stores nothing', () => {
  const cases: readonly [what: string, status: number, code: string, fields: () => Fields][] = [
    ['without any signature', 403, 'AccessDenied', () => ({ key: 'up/x' })],
    ['of another key', 403, 'AccessDenied', () => ({ key: 'down/x', ...signed() })],
    ['with a field outside its policy', 403, 'AccessDenied', () => ({ key: 'up/x', 'x-amz-meta-a': '1', ...signed() })],
    ['with an ACL outside its policy', 403, 'AccessDenied', () => ({ key: 'up/x', acl: 'public-read', ...signed() })],
    [
      'whose policy is over',
      403,
      'AccessDenied',
      () => ({ key: 'up/x', ...policyFields(server, CONDITIONS, { expiresAt: new Date(Date.now() - 1000) }) }),
    ],
    [
      'signed with another secret',
      403,
      'SignatureDoesNotMatch',
      () => ({ key: 'up/x', ...policyFields(server, CONDITIONS, { secretAccessKey: 'another' }) }),
    ],
    [
      'whose policy was changed',
      403,
      'SignatureDoesNotMatch',
      () => ({ key: 'up/x', ...signed(), policy: policyFields(server, []).policy ?? '' }),
    ],
    [
      'of an unknown access key',
      403,
      'InvalidAccessKeyId',
      () => ({ key: 'up/x', ...policyFields({ ...server, accessKeyId: 'AKUNKNOWN' }, CONDITIONS) }),
    ],
    [
      'for another region',
      400,
      'InvalidArgument',
      () => ({ key: 'up/x', ...policyFields(server, CONDITIONS, { region: 'mars-north-1' }) }),
    ],
    [
      'with a policy and no signature',
      400,
      'InvalidArgument',
      () => ({ key: 'up/x', ...signed(), 'x-amz-signature': '' }),
    ],
    [
      'with a signature of version 2',
      400,
      'InvalidRequest',
      () => ({ key: 'up/x', AWSAccessKeyId: 'AK', signature: 's' }),
    ],
    ['without a key', 400, 'InvalidArgument', () => policyFields(server, [{ bucket }])],
    [
      'whose file is too large',
      400,
      'EntityTooLarge',
      () => ({ key: 'up/x', ...signed(['content-length-range', 0, 7]) }),
    ],
    [
      'whose file is too small',
      400,
      'EntityTooSmall',
      () => ({ key: 'up/x', ...signed(['content-length-range', 9, 10]) }),
    ],
  ]

  it.each(cases)('%s: %i %s', async (_what, status, code, fields) => {
    const answer = await postForm(server, bucket, formBody(fields(), file))
    expect([answer.status, answer.code]).toEqual([status, code])
    expect(await keysOf(bucket)).not.toContain('up/x')
    expect(await keysOf(bucket)).not.toContain('down/x')
  })

  it('by its policy for another bucket', async () => {
    const answer = await postForm(server, other, formBody({ key: 'up/x', ...signed() }, file))
    expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
    const told = await postForm(server, other, formBody({ key: 'up/x', bucket, ...signed() }, file))
    expect([told.status, told.code]).toEqual([403, 'AccessDenied'])
    expect(await keysOf(other)).toEqual([])
  })

  it.each([
    ['too large', ['content-length-range', 0, 1_000_000], 'EntityTooLarge'],
    ['too small', ['content-length-range', 7_000_000, 8_000_000], 'EntityTooSmall'],
  ])('with megabytes that are %s', async (_what, range, code) => {
    const body = formBody({ key: 'up/x', ...signed(range) }, { name: 'f', bytes: randomBytes(1_500_000) })
    const answer = await postForm(server, bucket, body)
    expect([answer.status, answer.code]).toEqual([400, code])
    expect(await keysOf(bucket)).not.toContain('up/x')
  })

  it('because its body ends before its file does', async () => {
    const body = formBody({ key: 'up/x', ...signed() }, { name: 'f', bytes: randomBytes(400_000) })
    const answer = await postForm(server, bucket, body.subarray(0, body.length - 200))
    expect([answer.status, answer.code]).toEqual([400, 'MalformedPOSTRequest'])
    expect(await keysOf(bucket)).not.toContain('up/x')
  })

  it('because it is no form', async () => {
    const answer = await postForm(server, bucket, Buffer.from('key=up/x'), { 'content-type': 'text/plain' })
    expect([answer.status, answer.code]).toEqual([412, 'PreconditionFailed'])
  })
})
