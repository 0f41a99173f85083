import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readRendered, textsOf } from './read-rendered.ts'
import {
  type ListedObject,
  type ListObjectVersionsPage,
  renderListMultipartUploads,
  renderListObjects,
  renderListObjectsV2,
  renderListObjectVersions,
} from './render-listings.ts'

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
const XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
const OWNER = { id: 'c0ffee', displayName: 'root' }
const OWNER_XML = '<ID>c0ffee</ID><DisplayName>root</DisplayName>'
const AT = Date.UTC(2026, 10, 23, 16, 3, 57)
const AT_XML = '2026-11-23T16:03:57.000Z'

const object: ListedObject = { key: 'a b&c', lastModifiedAt: AT, sizeBytes: 5, etag: '"e"' }
const shared = {
  bucket: 'bucket',
  prefix: '',
  delimiter: '',
  encodingType: undefined,
  isTruncated: false,
  commonPrefixes: [],
  maxKeys: 1000,
}
const v1 = { ...shared, marker: '', nextMarker: undefined, entries: [object] }
const v2 = {
  ...shared,
  startAfter: undefined,
  continuationToken: undefined,
  nextContinuationToken: undefined,
  entries: [object],
}
const versions: ListObjectVersionsPage = {
  ...shared,
  keyMarker: '',
  versionIdMarker: '',
  nextKeyMarker: undefined,
  nextVersionIdMarker: undefined,
  entries: [],
}

describe('renderListObjects', () => {
  it('writes what S3 writes, element by element', () => {
    expect(renderListObjects({ ...v1, entries: [{ ...object, owner: OWNER }] })).toBe(
      `${HEAD}<ListBucketResult ${XMLNS}><Name>bucket</Name><Prefix></Prefix><Marker></Marker><MaxKeys>1000</MaxKeys>` +
        `<IsTruncated>false</IsTruncated><Contents><Key>a b&amp;c</Key><LastModified>${AT_XML}</LastModified>` +
        `<ETag>&quot;e&quot;</ETag><Size>5</Size><Owner>${OWNER_XML}</Owner><StorageClass>STANDARD</StorageClass>` +
        '</Contents></ListBucketResult>',
    )
  })

  it('shows the next marker, the delimiter and common prefixes where there are some', () => {
    const page = {
      ...v1,
      delimiter: '/',
      nextMarker: 'b/',
      isTruncated: true,
      entries: [],
      commonPrefixes: ['a/', 'b/'],
    }
    expect(renderListObjects(page)).toBe(
      `${HEAD}<ListBucketResult ${XMLNS}><Name>bucket</Name><Prefix></Prefix><Marker></Marker><NextMarker>b/</NextMarker>` +
        '<MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>' +
        '<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>' +
        '</ListBucketResult>',
    )
  })
})

describe('renderListObjectsV2', () => {
  it('counts keys and common prefixes, and shows owner and checksum only where they are given', () => {
    const entries = [
      object,
      { ...object, checksumAlgorithm: 'CRC32', checksumType: 'COMPOSITE', owner: OWNER } as const,
    ]
    const page = {
      ...v2,
      prefix: 'a',
      startAfter: 'a',
      continuationToken: 'now',
      nextContinuationToken: 'next',
      isTruncated: true,
      entries,
      commonPrefixes: ['ab/'],
    }
    const start = `<Contents><Key>a b&amp;c</Key><LastModified>${AT_XML}</LastModified><ETag>&quot;e&quot;</ETag>`
    expect(renderListObjectsV2(page)).toBe(
      `${HEAD}<ListBucketResult ${XMLNS}><Name>bucket</Name><Prefix>a</Prefix><StartAfter>a</StartAfter>` +
        '<ContinuationToken>now</ContinuationToken><NextContinuationToken>next</NextContinuationToken>' +
        '<KeyCount>3</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>' +
        `${start}<Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>` +
        `${start}<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType><Size>5</Size>` +
        `<Owner>${OWNER_XML}</Owner><StorageClass>STANDARD</StorageClass></Contents>` +
        '<CommonPrefixes><Prefix>ab/</Prefix></CommonPrefixes></ListBucketResult>',
    )
  })

  it('URL-encodes every name, and no token, with encoding-type=url', () => {
    const names = { prefix: 'p p', delimiter: '&', startAfter: 's+s', commonPrefixes: ['c c&'] }
    const page = { ...v2, ...names, continuationToken: 'a+b=', encodingType: 'url' as const }
    const document = readRendered(renderListObjectsV2(page))
    const values = ['Prefix', 'StartAfter', 'ContinuationToken', 'Delimiter', 'EncodingType', 'Key'].map((name) =>
      textsOf(document, name),
    )
    expect(values).toEqual([['p%20p', 'c%20c%26'], ['s%2Bs'], ['a+b='], ['%26'], ['url'], ['a%20b%26c']])
  })

  it('never shows one owner in the place of another', () => {
    const other = { id: 'd00d', displayName: 'other' }
    const entries = [OWNER, other, OWNER].map((owner) => ({ ...object, owner }))
    expect(textsOf(readRendered(renderListObjectsV2({ ...v2, entries })), 'ID')).toEqual(['c0ffee', 'd00d', 'c0ffee'])
  })

  it('lets every name read back the same, plain and URL-encoded', () => {
    const name = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }).map((units) => String.fromCharCode(...units)),
    )
    fc.assert(
      fc.property(fc.array(name), fc.array(name), name, fc.boolean(), (keys, commonPrefixes, prefix, url) => {
        const entries = keys.map((key) => ({ ...object, key }))
        const page = { ...v2, prefix, entries, commonPrefixes, encodingType: url ? ('url' as const) : undefined }
        const document = readRendered(renderListObjectsV2(page))
        const decode = (text: string) => (url ? decodeURIComponent(text.replaceAll('+', ' ')) : text)
        expect(textsOf(document, 'Key').map(decode)).toEqual(keys.map((key) => key.toWellFormed()))
        expect(textsOf(document, 'Prefix').map(decode)).toEqual(
          [prefix, ...commonPrefixes].map((text) => text.toWellFormed()),
        )
      }),
    )
  })
})

describe('renderListObjectVersions', () => {
  it('writes versions and delete markers in their order', () => {
    const page = {
      ...versions,
      keyMarker: 'a',
      versionIdMarker: 'v0',
      nextKeyMarker: 'k',
      nextVersionIdMarker: 'v1',
      isTruncated: true,
      entries: [
        { ...object, key: 'k', versionId: 'v2', isLatest: true, isDeleteMarker: true, owner: OWNER },
        { ...object, key: 'k', versionId: 'null', isLatest: false, isDeleteMarker: false, owner: OWNER },
      ],
    }
    expect(renderListObjectVersions(page)).toBe(
      `${HEAD}<ListVersionsResult ${XMLNS}><Name>bucket</Name><Prefix></Prefix><KeyMarker>a</KeyMarker>` +
        '<VersionIdMarker>v0</VersionIdMarker><NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker>' +
        '<MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>' +
        `<DeleteMarker><Key>k</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest><LastModified>${AT_XML}</LastModified>` +
        `<Owner>${OWNER_XML}</Owner></DeleteMarker>` +
        `<Version><Key>k</Key><VersionId>null</VersionId><IsLatest>false</IsLatest><LastModified>${AT_XML}</LastModified>` +
        `<ETag>&quot;e&quot;</ETag><Size>5</Size><Owner>${OWNER_XML}</Owner><StorageClass>STANDARD</StorageClass></Version>` +
        '</ListVersionsResult>',
    )
  })
})

describe('renderListMultipartUploads', () => {
  it('writes uploads with initiator, owner and the checksum that was asked for', () => {
    const upload = { key: 'k k', uploadId: 'u', initiatedAt: AT, owner: OWNER, initiator: OWNER }
    const page = {
      ...shared,
      delimiter: '/',
      encodingType: 'url' as const,
      keyMarker: '',
      uploadIdMarker: '',
      nextKeyMarker: 'k k',
      nextUploadIdMarker: 'u',
      maxUploads: 1,
      isTruncated: true,
      uploads: [{ ...upload, checksumAlgorithm: 'SHA256', checksumType: 'COMPOSITE' } as const],
      commonPrefixes: ['a/'],
    }
    expect(renderListMultipartUploads(page)).toBe(
      `${HEAD}<ListMultipartUploadsResult ${XMLNS}><Bucket>bucket</Bucket><KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker>` +
        '<NextKeyMarker>k%20k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker><Delimiter>/</Delimiter><Prefix></Prefix>' +
        '<MaxUploads>1</MaxUploads><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>' +
        `<Upload><Key>k%20k</Key><UploadId>u</UploadId><Initiator>${OWNER_XML}</Initiator><Owner>${OWNER_XML}</Owner>` +
        `<StorageClass>STANDARD</StorageClass><Initiated>${AT_XML}</Initiated>` +
        '<ChecksumAlgorithm>SHA256</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType></Upload>' +
        '<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes></ListMultipartUploadsResult>',
    )
  })
})
