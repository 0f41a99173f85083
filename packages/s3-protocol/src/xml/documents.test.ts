import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { S3Error } from '../errors.ts'
import {
  parseCompleteMultipartUpload,
  parseCreateBucketConfiguration,
  parseDelete,
  parseVersioningConfiguration,
} from './documents.ts'
import { parseServerSideEncryptionConfiguration } from './encryption-documents.ts'
import { escapeXml } from './write-xml.ts'

/** XML 1.0, section 2.2. */
const XML_CHARACTERS = /^[\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]*$/u
const refused = (code: string): unknown => expect.objectContaining({ code })
const sse = (rule: string): Buffer =>
  Buffer.from(`<ServerSideEncryptionConfiguration><Rule>${rule}</Rule></ServerSideEncryptionConfiguration>`)
const blocking = (...types: string[]) =>
  `<BlockedEncryptionTypes>${types.map((type) => `<EncryptionType>${type}</EncryptionType>`).join('')}</BlockedEncryptionTypes>`
const byDefault = (content: string): string =>
  `<ApplyServerSideEncryptionByDefault>${content}</ApplyServerSideEncryptionByDefault>`

describe('parseCompleteMultipartUpload', () => {
  const parse = (parts: string) =>
    parseCompleteMultipartUpload(Buffer.from(`<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`))

  it('reads the parts in the order of the client', () => {
    const parts =
      '<Part><PartNumber>2</PartNumber><ETag>"b"</ETag></Part>' +
      '<Part><ETag>a</ETag><PartNumber> 1 </PartNumber><ChecksumSHA256>eA==</ChecksumSHA256></Part>'
    expect(parse(parts)).toEqual([
      { partNumber: 2, etag: '"b"' },
      { partNumber: 1, etag: 'a', checksum: { algorithm: 'SHA256', value: 'eA==' } },
    ])
  })

  it('takes 10,000 parts and not one more', () => {
    const parts = (count: number) => '<Part><PartNumber>1</PartNumber><ETag>e</ETag></Part>'.repeat(count)
    expect(parse(parts(10_000))).toHaveLength(10_000)
    expect(() => parse(parts(10_001))).toThrow(refused('MalformedXML'))
  })

  it.each([
    ['', 'MalformedXML'],
    ['<Part/>', 'MalformedXML'],
    ['<Part><PartNumber>1</PartNumber></Part>', 'MalformedXML'],
    ['<Part><ETag>e</ETag></Part>', 'MalformedXML'],
    ['<Part><PartNumber>-1</PartNumber><ETag>e</ETag></Part>', 'MalformedXML'],
    ['<Part><PartNumber>1.5</PartNumber><ETag>e</ETag></Part>', 'MalformedXML'],
    ['<Part><PartNumber>0</PartNumber><ETag>e</ETag></Part>', 'InvalidArgument'],
    ['<Part><PartNumber>10001</PartNumber><ETag>e</ETag></Part>', 'InvalidArgument'],
    ['<Part><PartNumber>1</PartNumber><ETag>e</ETag><ETag>f</ETag></Part>', 'MalformedXML'],
    ['<Part><PartNumber>1</PartNumber><ETag>e</ETag><ChecksumMD9>eA==</ChecksumMD9></Part>', 'MalformedXML'],
    [
      '<Part><PartNumber>1</PartNumber><ETag>e</ETag><ChecksumSHA1>eA==</ChecksumSHA1><ChecksumCRC32>eA==</ChecksumCRC32></Part>',
      'InvalidRequest',
    ],
    ['<Object/>', 'MalformedXML'],
  ])('refuses %s', (parts, code) => {
    expect(() => parse(parts)).toThrow(refused(code))
  })
})

describe('parseDelete', () => {
  const parse = (content: string) => parseDelete(Buffer.from(`<Delete>${content}</Delete>`))

  it('reads keys untouched, versions and entity tags, and whether to be quiet', () => {
    expect(
      parse(
        '<Quiet>true</Quiet><Object><Key> a &amp; b </Key></Object>' +
          '<Object><Key>c</Key><VersionId>v1</VersionId><ETag>"e"</ETag></Object>',
      ),
    ).toEqual({
      quiet: true,
      objects: [{ key: ' a & b ' }, { key: 'c', versionId: 'v1', etag: '"e"' }],
    })
  })

  it('takes 1,000 objects and not one more', () => {
    expect(parse('<Object><Key>a</Key></Object>'.repeat(1000))).toMatchObject({ quiet: false })
    expect(() => parse('<Object><Key>a</Key></Object>'.repeat(1001))).toThrow(refused('MalformedXML'))
  })

  it.each([
    ['', 'MalformedXML'],
    ['<Quiet>true</Quiet>', 'MalformedXML'],
    ['<Object/>', 'MalformedXML'],
    ['<Object><Key/></Object>', 'MalformedXML'],
    ['<Object><Key>a</Key><Key>b</Key></Object>', 'MalformedXML'],
    ['<Object><Key>a</Key><IfMatch>e</IfMatch></Object>', 'MalformedXML'],
    ['<Quiet>maybe</Quiet><Object><Key>a</Key></Object>', 'MalformedXML'],
    [`<Object><Key>${'a'.repeat(1025)}</Key></Object>`, 'KeyTooLongError'],
    ['<Object><Key>a</Key><Size>-1</Size></Object>', 'MalformedXML'],
    ['<Object><Key>a</Key><Size></Size></Object>', 'MalformedXML'],
    ['<Object><Key>a</Key><LastModifiedTime>x</LastModifiedTime></Object>', 'MalformedXML'],
  ])('refuses %s', (content, code) => {
    expect(() => parse(content)).toThrow(refused(code))
  })

  it('reads back any key that XML can carry', () => {
    const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 }).filter((text) => XML_CHARACTERS.test(text))
    fc.assert(
      fc.property(key, (name) => {
        expect(parse(`<Object><Key>${escapeXml(name)}</Key></Object>`).objects).toEqual([{ key: name }])
      }),
    )
  })
})

describe('parseCreateBucketConfiguration', () => {
  const parse = (content: string) =>
    parseCreateBucketConfiguration(Buffer.from(`<CreateBucketConfiguration>${content}</CreateBucketConfiguration>`))

  it('reads the location', () => {
    expect(parse('<LocationConstraint>eu-west-1</LocationConstraint>')).toEqual({ locationConstraint: 'eu-west-1' })
    expect(parse('<LocationConstraint/>')).toEqual({})
    expect(parse('')).toEqual({})
  })

  it.each([
    ['<LocationConstraint>&lt;x&gt;</LocationConstraint>', 'MalformedXML'],
    ['<Region>eu-west-1</Region>', 'MalformedXML'],
    ['<Bucket><Type>Directory</Type></Bucket>', 'NotImplemented'],
    ['<Tags><Tag><Key>a</Key></Tag></Tags>', 'MalformedXML'],
  ])('refuses %s', (content, code) => {
    expect(() => parse(content)).toThrow(refused(code))
  })
})

describe('parseVersioningConfiguration', () => {
  const parse = (content: string) =>
    parseVersioningConfiguration(Buffer.from(`<VersioningConfiguration>${content}</VersioningConfiguration>`))

  it('reads the status', () => {
    expect(parse('<Status>Enabled</Status>')).toEqual({ status: 'enabled' })
    expect(parse('<MfaDelete>Disabled</MfaDelete><Status>Suspended</Status>')).toEqual({ status: 'suspended' })
  })

  it.each([
    ['', 'IllegalVersioningConfigurationException'],
    ['<Status>enabled</Status>', 'MalformedXML'],
    ['<Status>Enabled</Status><Status>Suspended</Status>', 'MalformedXML'],
    ['<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>', 'NotImplemented'],
  ])('refuses %j', (content, code) => {
    expect(() => parse(content)).toThrow(refused(code))
  })
})

describe('parseServerSideEncryptionConfiguration', () => {
  it('reads the algorithm; bucket keys are on unless switched off', () => {
    const aes = byDefault('<SSEAlgorithm>AES256</SSEAlgorithm>')
    expect(parseServerSideEncryptionConfiguration(sse(aes))).toEqual({ algorithm: 'AES256', bucketKeyEnabled: true })
    expect(parseServerSideEncryptionConfiguration(sse(`${aes}<BucketKeyEnabled>false</BucketKeyEnabled>`))).toEqual({
      algorithm: 'AES256',
      bucketKeyEnabled: false,
    })
  })

  it('reads a KMS key, and which writes are blocked', () => {
    const kms = byDefault('<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>vault/k</KMSMasterKeyID>')
    expect(parseServerSideEncryptionConfiguration(sse(kms))).toEqual({
      algorithm: 'aws:kms',
      kmsKeyId: 'vault/k',
      bucketKeyEnabled: false,
    })
    const s3 = { algorithm: 'AES256', bucketKeyEnabled: true }
    expect(parseServerSideEncryptionConfiguration(sse(blocking('NONE')))).toEqual({ ...s3, blocked: [] })
    expect(parseServerSideEncryptionConfiguration(sse(blocking('SSE-C')))).toEqual({ ...s3, blocked: ['SSE-C'] })
  })

  it.each([
    ['', 'MalformedXML'],
    [byDefault(''), 'MalformedXML'],
    [byDefault('<SSEAlgorithm>none</SSEAlgorithm>'), 'MalformedXML'],
    [byDefault('<SSEAlgorithm>AES256</SSEAlgorithm><Other/>'), 'MalformedXML'],
    [`${byDefault('<SSEAlgorithm>AES256</SSEAlgorithm>')}<BucketKeyEnabled>no</BucketKeyEnabled>`, 'MalformedXML'],
    [byDefault('<SSEAlgorithm>aws:kms:dsse:more</SSEAlgorithm>'), 'MalformedXML'],
    [`${byDefault('<SSEAlgorithm>AES256</SSEAlgorithm>')}<BlockedEncryptionTypes/>`, 'MalformedXML'],
    [blocking('NONE', 'SSE-C'), 'MalformedXML'],
    [blocking('SSE-KMS'), 'MalformedXML'],
    [`${byDefault('<SSEAlgorithm>AES256</SSEAlgorithm>')}<Other/>`, 'MalformedXML'],
    [byDefault('<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>'), 'InvalidArgument'],
  ])('refuses the rule %j', (rule, code) => {
    expect(() => parseServerSideEncryptionConfiguration(sse(rule))).toThrow(refused(code))
  })

  it('refuses no rule and two rules', () => {
    const rule = `<Rule>${byDefault('<SSEAlgorithm>AES256</SSEAlgorithm>')}</Rule>`
    for (const rules of ['', rule + rule]) {
      const document = Buffer.from(`<ServerSideEncryptionConfiguration>${rules}</ServerSideEncryptionConfiguration>`)
      expect(() => parseServerSideEncryptionConfiguration(document)).toThrow(refused('MalformedXML'))
    }
  })
})

describe('every document parser', () => {
  const parsers = [
    ['CompleteMultipartUpload', parseCompleteMultipartUpload],
    ['Delete', parseDelete],
    ['CreateBucketConfiguration', parseCreateBucketConfiguration],
    ['VersioningConfiguration', parseVersioningConfiguration],
    ['ServerSideEncryptionConfiguration', parseServerSideEncryptionConfiguration],
  ] as const
  const name = fc.constantFrom(
    ...['Part', 'PartNumber', 'ETag', 'Object', 'Key', 'Quiet', 'VersionId', 'LocationConstraint', 'Bucket', 'Status'],
    ...['MfaDelete', 'Rule', 'ApplyServerSideEncryptionByDefault', 'SSEAlgorithm', 'BucketKeyEnabled', 'x'],
  )
  const { content } = fc.letrec<{ content: string; element: string }>((tie) => ({
    content: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom('', '1', '0', 'true', 'AES256', 'aws:kms', 'Enabled', ' ', '&#32;'),
      fc.array(tie('element'), { maxLength: 3 }).map((elements) => elements.join('')),
    ),
    element: fc.tuple(name, tie('content')).map(([tag, inner]) => `<${tag}>${inner}</${tag}>`),
  }))

  it.each(parsers)('throws nothing but S3 errors: %s', (root, parse) => {
    fc.assert(
      fc.property(content, (inner) => {
        try {
          parse(Buffer.from(`<${root}>${inner}</${root}>`))
        } catch (error) {
          expect(error).toBeInstanceOf(S3Error)
        }
      }),
      { numRuns: 300 },
    )
  })
})
