import { createHash } from 'node:crypto'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { type RawRequest, type RawResponse, sendSigned } from '../harness/raw-request.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { probe, serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)
await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'value' }))

const path = `/${bucket}/k`

async function answer(raw: RawRequest): Promise<[number, string]> {
  const { status, code } = await sendSigned(server, raw)
  return [status, code]
}

function put(suffix: string, more: Partial<RawRequest> = {}): RawRequest {
  return { method: 'PUT', path: `/${bucket}/${suffix}`, body: 'x', ...more }
}

describe('documents that are no XML, or another one', () => {
  const documents: [string, string][] = [
    ['nothing', ''],
    ['no XML', 'not xml at all'],
    ['an open element', '<Delete><Object><Key>a</Key></Object>'],
    ['crossed elements', '<Delete><Object><Key>a</Object></Key></Delete>'],
    ['another root', '<Remove><Object><Key>a</Key></Object></Remove>'],
    ['two roots', '<Delete><Object><Key>a</Key></Object></Delete><Delete/>'],
    ['no object', '<Delete></Delete>'],
    ['an object without a key', '<Delete><Object><VersionId>null</VersionId></Object></Delete>'],
    [
      'an external entity',
      '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&e;</Key></Object></Delete>',
    ],
    [
      'an entity bomb',
      `<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">${Array.from(
        { length: 9 },
        (_, index) => `<!ENTITY ${'bcdefghij'[index]} "${`&${'abcdefghi'[index]};`.repeat(10)}">`,
      ).join('')}]><Delete><Object><Key>&j;</Key></Object></Delete>`,
    ],
    ['an unknown entity', '<Delete><Object><Key>&nope;</Key></Object></Delete>'],
    ['a deep tree', `<Delete>${'<a>'.repeat(50_000)}${'</a>'.repeat(50_000)}</Delete>`],
    ['bytes that are no UTF-8', `<Delete><Object><Key>\xff\xfe</Key></Object></Delete>`],
    ['more than 1,000 objects', `<Delete>${'<Object><Key>a</Key></Object>'.repeat(1_001)}</Delete>`],
  ]

  it.each(documents)('multi-delete of %s is refused', async (_what, document) => {
    const body = Buffer.from(document, 'latin1')
    const raw = {
      method: 'POST',
      path: `/${bucket}`,
      query: { delete: '' },
      body,
      headers: { 'content-md5': md5(body) },
    }
    const [status, code] = await answer(raw)
    expect(status).toBe(400)
    expect(['MalformedXML', 'MissingRequestBodyError']).toContain(code)
  })

  it.each([
    ['versioning', '<VersioningConfiguration><Status>Enabled'],
    ['encryption', '<ServerSideEncryptionConfiguration><Rule>'],
    ['versioning', '<Other/>'],
  ])('PUT ?%s of %s is refused', async (sub, body) => {
    expect(await answer({ method: 'PUT', path: `/${bucket}`, query: { [sub]: '' }, body })).toEqual([
      400,
      'MalformedXML',
    ])
  })

  it('a complete-upload document that is none is refused before the upload is looked up', async () => {
    const raw = { method: 'POST', path, query: { uploadId: '0'.repeat(32) }, body: '<CompleteMultipartUpload>' }
    expect(await answer(raw)).toEqual([400, 'MalformedXML'])
  })

  it('a huge document is refused without being read to its end', async () => {
    const body = Buffer.alloc(20 * 1024 * 1024, '<a>')
    const raw = { method: 'POST', path: `/${bucket}`, query: { delete: '' }, body }
    // The server may close the connection while the client still writes.
    const refused = await sendSigned(server, raw).catch((error: Error) => error)
    if (!(refused instanceof Error)) {
      expect(refused.status).toBe(400)
      expect(['MalformedXML', 'MaxMessageLengthExceeded', 'EntityTooLarge']).toContain(refused.code)
    }
    expect(await probe(server.endpoint, server.caFile)).toBe(403)
  })

  it('names in XML may hold escaped characters', async () => {
    const document =
      '<?xml version="1.0" encoding="UTF-8"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a&amp;&#x62;&lt;</Key></Object></Delete>'
    const body = Buffer.from(document)
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'a&b<', Body: 'x' }))
    const raw = {
      method: 'POST',
      path: `/${bucket}`,
      query: { delete: '' },
      body,
      headers: { 'content-md5': md5(body) },
    }
    const { status, body: result } = await sendSigned(server, raw)
    expect(status).toBe(200)
    expect(result.toString()).toContain('<Key>a&amp;b&lt;</Key>')
  })
})

describe('requests that break a rule', () => {
  const cases: [string, RawRequest, number, string][] = [
    ['no such bucket', { method: 'GET', path: '/absent-bucket/k' }, 404, 'NoSuchBucket'],
    ['no such key', { method: 'GET', path: `/${bucket}/absent` }, 404, 'NoSuchKey'],
    ['no such upload', put('k', { query: { uploadId: '0'.repeat(32), partNumber: '1' } }), 404, 'NoSuchUpload'],
    ['no such version', { method: 'GET', path, query: { versionId: '0'.repeat(32) } }, 404, 'NoSuchVersion'],
    ['a key too long', put('x'.repeat(1_025)), 400, 'KeyTooLongError'],
    ['a percent sign alone', put('%zz'), 400, 'InvalidURI'],
    ['a key that is no UTF-8', put('%ff%fe'), 400, 'InvalidURI'],
    ['a bad bucket name', { method: 'PUT', path: '/A_b' }, 400, 'InvalidBucketName'],
    ['a bad digest', put('k2', { headers: { 'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==' } }), 400, 'BadDigest'],
    ['an invalid digest', put('k2', { headers: { 'content-md5': 'x' } }), 400, 'InvalidDigest'],
    [
      'an unknown storage class',
      put('k2', { headers: { 'x-amz-storage-class': 'MARBLE' } }),
      400,
      'InvalidStorageClass',
    ],
    ['an invalid range', { method: 'GET', path, headers: { range: 'bytes=99-' } }, 416, 'InvalidRange'],
    ['a failed precondition', { method: 'GET', path, headers: { 'if-match': '"0"' } }, 412, 'PreconditionFailed'],
    ['an unknown method', { method: 'PATCH', path }, 405, 'MethodNotAllowed'],
    [
      'max-keys that is no number',
      { method: 'GET', path: `/${bucket}`, query: { 'max-keys': 'ten' } },
      400,
      'InvalidArgument',
    ],
    [
      'a part number that is none',
      put('k', { query: { uploadId: '0'.repeat(32), partNumber: 'x' } }),
      400,
      'InvalidArgument',
    ],
    [
      'a copy source that is none',
      put('k2', { body: '', headers: { 'x-amz-copy-source': '/' } }),
      400,
      'InvalidArgument',
    ],
    [
      'an operation that is not there yet',
      { method: 'GET', path: `/${bucket}/k`, query: { torrent: '' } },
      501,
      'NotImplemented',
    ],
    ['metadata too large', put('k2', { headers: { 'x-amz-meta-m': 'x'.repeat(2_100) } }), 400, 'MetadataTooLarge'],
  ]

  it.each(cases)('%s', async (_what, raw, status, code) => {
    expect(await answer(raw)).toEqual([status, code])
  })

  it('a length over 5 GiB is refused at once', async () => {
    const headers = { 'content-length': String(5 * 1024 ** 3 + 1) }
    const raw = { ...put('k2', { body: '' }), headers }
    const refused = await sendSigned(server, raw, { payloadHash: 'UNSIGNED-PAYLOAD' })
    expect([refused.status, refused.code]).toEqual([400, 'EntityTooLarge'])
  })

  it('a body without a length is refused', async () => {
    const headers = { 'transfer-encoding': 'chunked' }
    const refused = await sendSigned(server, put('k2', { headers }), {
      payloadHash: 'UNSIGNED-PAYLOAD',
      unsignedHeaders: ['transfer-encoding'],
    })
    expect([refused.status, refused.code]).toEqual([411, 'MissingContentLength'])
  })

  it('very large headers are refused and the server lives on', async () => {
    const refused: RawResponse | Error = await sendSigned(server, {
      method: 'GET',
      path,
      headers: { 'x-amz-meta-big': 'x'.repeat(100_000) },
    }).catch((error: Error) => error)
    if (!(refused instanceof Error)) expect(refused.status).toBeGreaterThanOrEqual(400)
    expect(await probe(server.endpoint, server.caFile)).toBe(403)
  })

  it('an error is XML with code, message, resource and request id, and no stack', async () => {
    const refused = await sendSigned(server, { method: 'GET', path: `/${bucket}/absent` })
    const text = refused.body.toString()
    expect(refused.headers['content-type']).toBe('application/xml')
    expect(text).toMatch(
      /^<\?xml version="1.0" encoding="UTF-8"\?>\s*<Error><Code>NoSuchKey<\/Code><Message>[^<]+<\/Message>/,
    )
    expect(text).toContain(`<RequestId>${refused.headers['x-amz-request-id']}</RequestId>`)
    expect(text).not.toMatch(/\.ts:|node_modules|at \w+ \(/)
  })

  it('a path with dots does not leave the store', async () => {
    for (const dots of ['../../etc/passwd', '..%2F..%2Fetc%2Fpasswd']) {
      const [status, code] = await answer({ method: 'GET', path: `/${bucket}/${dots}` })
      expect([status, code], dots).toEqual([404, 'NoSuchKey'])
    }
  })

  it('no error of this suite was one of ours', () => {
    expect(server.logs()).not.toMatch(/InternalError|INTERNAL_INVARIANT|TypeError|unhandled/i)
  })
})

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('base64')
}
