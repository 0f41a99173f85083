import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { s3Error } from '../errors.ts'
import { parseVersioningConfiguration } from './documents.ts'
import { parseServerSideEncryptionConfiguration } from './encryption-documents.ts'
import { readRendered, textsOf } from './read-rendered.ts'
import { renderError } from './render-error.ts'
import {
  renderCompleteMultipartUpload,
  renderCopyObjectResult,
  renderCopyPartResult,
  renderDeleteResult,
  renderInitiateMultipartUpload,
  renderListBuckets,
  renderListParts,
  renderLocationConstraint,
  renderObjectAttributes,
  renderServerSideEncryptionConfiguration,
  renderVersioningConfiguration,
} from './render-results.ts'

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
const XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
const OWNER = { id: 'c0ffee', displayName: 'root' }
const OWNER_XML = '<ID>c0ffee</ID><DisplayName>root</DisplayName>'
const AT = Date.UTC(2026, 10, 23, 16, 3, 57)
const AT_XML = '2026-11-23T16:03:57.000Z'

const document = (root: string, content: string): string => `${HEAD}<${root} ${XMLNS}>${content}</${root}>`

describe('buckets', () => {
  it('are listed under their owner', () => {
    expect(renderListBuckets({ owner: OWNER, buckets: [{ name: 'b', createdAt: AT }] })).toBe(
      document(
        'ListAllMyBucketsResult',
        `<Owner>${OWNER_XML}</Owner><Buckets><Bucket><Name>b</Name><CreationDate>${AT_XML}</CreationDate><BucketArn>arn:aws:s3:::b</BucketArn></Bucket></Buckets>`,
      ),
    )
    const paged = renderListBuckets({ owner: OWNER, buckets: [], prefix: 'p', continuationToken: 't' })
    expect(paged).toContain('<Buckets></Buckets><ContinuationToken>t</ContinuationToken><Prefix>p</Prefix>')
  })

  it('have a location constraint everywhere but in us-east-1', () => {
    expect(renderLocationConstraint('us-east-1')).toBe(document('LocationConstraint', ''))
    expect(renderLocationConstraint('eu-west-1')).toBe(document('LocationConstraint', 'eu-west-1'))
  })

  it('show a configuration that can be put back as it is', () => {
    for (const status of ['enabled', 'suspended'] as const) {
      expect(parseVersioningConfiguration(Buffer.from(renderVersioningConfiguration({ status })))).toEqual({ status })
    }
    expect(renderVersioningConfiguration({ status: undefined })).toBe(document('VersioningConfiguration', ''))
    for (const bucketKeyEnabled of [true, false]) {
      const encryption = { algorithm: 'AES256', bucketKeyEnabled } as const
      const rendered = Buffer.from(renderServerSideEncryptionConfiguration(encryption))
      expect(parseServerSideEncryptionConfiguration(rendered)).toEqual(encryption)
    }
  })
})

describe('multipart uploads', () => {
  it('are answered with their names and checksum', () => {
    expect(renderInitiateMultipartUpload({ bucket: 'b', key: 'k&', uploadId: 'u' })).toBe(
      document('InitiateMultipartUploadResult', '<Bucket>b</Bucket><Key>k&amp;</Key><UploadId>u</UploadId>'),
    )
    const completed = { location: 'https://h/b/k', bucket: 'b', key: 'k', etag: '"e-1"' }
    const content = '<Location>https://h/b/k</Location><Bucket>b</Bucket><Key>k</Key><ETag>&quot;e-1&quot;</ETag>'
    expect(renderCompleteMultipartUpload(completed)).toBe(document('CompleteMultipartUploadResult', content))
    const checksum = { algorithm: 'CRC64NVME', value: 'AAA=', type: 'FULL_OBJECT' } as const
    expect(renderCompleteMultipartUpload({ ...completed, checksum })).toBe(
      document(
        'CompleteMultipartUploadResult',
        `${content}<ChecksumCRC64NVME>AAA=</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>`,
      ),
    )
  })

  it('list their parts', () => {
    const checksum = { algorithm: 'SHA1', value: 'AAA=' } as const
    const rendered = renderListParts({
      bucket: 'b',
      key: 'k',
      uploadId: 'u',
      owner: OWNER,
      storageClass: 'STANDARD',
      partNumberMarker: 0,
      nextPartNumberMarker: 1,
      maxParts: 1,
      isTruncated: true,
      checksumAlgorithm: 'SHA1',
      checksumType: 'COMPOSITE',
      parts: [{ partNumber: 1, lastModifiedAt: AT, etag: '"e"', sizeBytes: 5, checksum }],
    })
    expect(rendered).toBe(
      document(
        'ListPartsResult',
        `<Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId><Initiator>${OWNER_XML}</Initiator><Owner>${OWNER_XML}</Owner>` +
          '<StorageClass>STANDARD</StorageClass><PartNumberMarker>0</PartNumberMarker>' +
          '<NextPartNumberMarker>1</NextPartNumberMarker><MaxParts>1</MaxParts><IsTruncated>true</IsTruncated>' +
          '<ChecksumAlgorithm>SHA1</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType>' +
          `<Part><PartNumber>1</PartNumber><LastModified>${AT_XML}</LastModified><ETag>&quot;e&quot;</ETag><Size>5</Size>` +
          '<ChecksumSHA1>AAA=</ChecksumSHA1></Part>',
      ),
    )
  })
})

describe('copies', () => {
  it('are answered with their new entity tag and time', () => {
    const copy = { etag: '"e"', lastModifiedAt: AT }
    const content = `<ETag>&quot;e&quot;</ETag><LastModified>${AT_XML}</LastModified>`
    expect(renderCopyObjectResult(copy)).toBe(document('CopyObjectResult', content))
    expect(renderCopyPartResult({ ...copy, checksum: { algorithm: 'CRC32C', value: 'AAAA' } })).toBe(
      document('CopyPartResult', `${content}<ChecksumCRC32C>AAAA</ChecksumCRC32C>`),
    )
  })
})

describe('renderDeleteResult', () => {
  const results = [
    { kind: 'deleted', key: 'a' },
    { kind: 'deleted', key: 'b', deleteMarker: true, deleteMarkerVersionId: 'm' },
    { kind: 'deleted', key: 'c', versionId: 'v' },
    { kind: 'error', key: 'd', versionId: 'v', code: 'AccessDenied', message: 'Access Denied' },
  ] as const
  const failed =
    '<Error><Key>d</Key><VersionId>v</VersionId><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'

  it('tells what became of each key', () => {
    expect(renderDeleteResult({ results, quiet: false })).toBe(
      document(
        'DeleteResult',
        '<Deleted><Key>a</Key></Deleted>' +
          '<Deleted><Key>b</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>m</DeleteMarkerVersionId></Deleted>' +
          `<Deleted><Key>c</Key><VersionId>v</VersionId></Deleted>${failed}`,
      ),
    )
  })

  it('tells only what failed when asked to be quiet', () => {
    expect(renderDeleteResult({ results, quiet: true })).toBe(document('DeleteResult', failed))
  })

  it('lets any key read back the same', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 }), (keys) => {
        const outcomes = keys.map((key) => ({ kind: 'deleted', key }) as const)
        const rendered = readRendered(renderDeleteResult({ results: outcomes, quiet: false }))
        expect(textsOf(rendered, 'Key')).toEqual(keys)
      }),
    )
  })
})

describe('renderObjectAttributes', () => {
  it('shows what was asked for and nothing else', () => {
    expect(renderObjectAttributes({})).toBe(document('GetObjectAttributesResponse', ''))
    expect(renderObjectAttributes({ etag: 'e', sizeBytes: 0 })).toBe(
      document('GetObjectAttributesResponse', '<ETag>e</ETag><ObjectSize>0</ObjectSize>'),
    )
  })

  it('counts the parts and lists them, with the checksums that they have', () => {
    const page = {
      totalPartsCount: 2,
      partNumberMarker: 0,
      nextPartNumberMarker: 2,
      maxParts: 1000,
      isTruncated: false,
    }
    const rendered = renderObjectAttributes({
      checksum: { algorithm: 'SHA256', value: 'AAA=-2', type: 'COMPOSITE' },
      parts: {
        ...page,
        parts: [
          { partNumber: 1, sizeBytes: 5, checksum: { algorithm: 'SHA256', value: 'BBB=' } },
          { partNumber: 2, sizeBytes: 1 },
        ],
      },
      storageClass: 'STANDARD',
    })
    expect(rendered).toBe(
      document(
        'GetObjectAttributesResponse',
        '<Checksum><ChecksumSHA256>AAA=-2</ChecksumSHA256><ChecksumType>COMPOSITE</ChecksumType></Checksum>' +
          '<ObjectParts><PartsCount>2</PartsCount><PartNumberMarker>0</PartNumberMarker>' +
          '<NextPartNumberMarker>2</NextPartNumberMarker><MaxParts>1000</MaxParts><IsTruncated>false</IsTruncated>' +
          '<Part><PartNumber>1</PartNumber><Size>5</Size><ChecksumSHA256>BBB=</ChecksumSHA256></Part>' +
          '<Part><PartNumber>2</PartNumber><Size>1</Size></Part></ObjectParts>' +
          '<StorageClass>STANDARD</StorageClass>',
      ),
    )
  })
})

describe('renderError', () => {
  const context = { resource: '/b/<k>', requestId: 'R', hostId: 'H' }

  it('has no namespace, and details of its own as elements', () => {
    const error = s3Error('NoSuchBucket', { details: { BucketName: 'b&' } })
    expect(renderError(error, context)).toBe(
      `${HEAD}<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist.</Message>` +
        '<BucketName>b&amp;</BucketName><Resource>/b/&lt;k&gt;</Resource><RequestId>R</RequestId><HostId>H</HostId></Error>',
    )
  })

  it('never shows the cause', () => {
    const error = s3Error('InternalError', { cause: new Error('secret cause') })
    expect(renderError(error, context)).not.toContain('secret')
  })
})
