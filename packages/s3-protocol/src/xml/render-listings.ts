import type { ChecksumAlgorithm, ChecksumType } from '../checksums.ts'
import { iso8601 } from '../dates.ts'
import { element, urlEncode, xmlDocument } from './write-xml.ts'

export interface Owner {
  readonly id: string
  readonly displayName: string
}

export interface ListedObject {
  readonly key: string
  readonly lastModifiedAt: number
  readonly sizeBytes: number
  /** Quoted. */
  readonly etag: string
  readonly checksumAlgorithm?: ChecksumAlgorithm
  readonly checksumType?: ChecksumType
  readonly owner?: Owner
}

export interface ListedObjectVersion extends ListedObject {
  readonly versionId: string
  readonly isLatest: boolean
  readonly isDeleteMarker: boolean
}

/** What every listing has. */
interface Page {
  readonly bucket: string
  readonly prefix: string
  /** '' : none. */
  readonly delimiter: string
  readonly encodingType: 'url' | undefined
  readonly isTruncated: boolean
  readonly commonPrefixes: readonly string[]
}

export interface ListObjectsPage extends Page {
  readonly marker: string
  readonly nextMarker: string | undefined
  readonly maxKeys: number
  readonly entries: readonly ListedObject[]
}

export interface ListObjectsV2Page extends Page {
  readonly startAfter: string | undefined
  readonly continuationToken: string | undefined
  readonly nextContinuationToken: string | undefined
  readonly maxKeys: number
  readonly entries: readonly ListedObject[]
}

export interface ListObjectVersionsPage extends Page {
  readonly keyMarker: string
  readonly versionIdMarker: string
  readonly nextKeyMarker: string | undefined
  readonly nextVersionIdMarker: string | undefined
  readonly maxKeys: number
  readonly entries: readonly ListedObjectVersion[]
}

export interface ListMultipartUploadsPage extends Page {
  readonly keyMarker: string
  readonly uploadIdMarker: string
  readonly nextKeyMarker: string | undefined
  readonly nextUploadIdMarker: string | undefined
  readonly maxUploads: number
  readonly uploads: readonly {
    readonly key: string
    readonly uploadId: string
    readonly initiatedAt: number
    readonly owner: Owner
    readonly initiator: Owner
  }[]
}

type Encode = (name: string) => string

export function renderListObjects(page: ListObjectsPage): string {
  const encode = encoderOf(page)
  return xmlDocument(
    'ListBucketResult',
    element('Name', page.bucket) +
      element('Prefix', encode(page.prefix)) +
      element('Marker', encode(page.marker)) +
      element('NextMarker', page.nextMarker && encode(page.nextMarker)) +
      element('MaxKeys', page.maxKeys) +
      sharedEnd(page, encode) +
      page.entries.map((entry) => contents(entry, encode)).join('') +
      commonPrefixes(page, encode),
  )
}

export function renderListObjectsV2(page: ListObjectsV2Page): string {
  const encode = encoderOf(page)
  return xmlDocument(
    'ListBucketResult',
    element('Name', page.bucket) +
      element('Prefix', encode(page.prefix)) +
      element('StartAfter', page.startAfter && encode(page.startAfter)) +
      element('ContinuationToken', page.continuationToken) +
      element('NextContinuationToken', page.nextContinuationToken) +
      element('KeyCount', page.entries.length + page.commonPrefixes.length) +
      element('MaxKeys', page.maxKeys) +
      sharedEnd(page, encode) +
      page.entries.map((entry) => contents(entry, encode)).join('') +
      commonPrefixes(page, encode),
  )
}

export function renderListObjectVersions(page: ListObjectVersionsPage): string {
  const encode = encoderOf(page)
  return xmlDocument(
    'ListVersionsResult',
    element('Name', page.bucket) +
      element('Prefix', encode(page.prefix)) +
      element('KeyMarker', encode(page.keyMarker)) +
      element('VersionIdMarker', page.versionIdMarker) +
      element('NextKeyMarker', page.nextKeyMarker && encode(page.nextKeyMarker)) +
      element('NextVersionIdMarker', page.nextVersionIdMarker) +
      element('MaxKeys', page.maxKeys) +
      sharedEnd(page, encode) +
      page.entries.map((entry) => version(entry, encode)).join('') +
      commonPrefixes(page, encode),
  )
}

export function renderListMultipartUploads(page: ListMultipartUploadsPage): string {
  const encode = encoderOf(page)
  const uploads = page.uploads.map(
    (upload) =>
      `<Upload>${element('Key', encode(upload.key))}${element('UploadId', upload.uploadId)}` +
      `${owner('Initiator', upload.initiator)}${owner('Owner', upload.owner)}` +
      `<StorageClass>STANDARD</StorageClass>${element('Initiated', iso8601(upload.initiatedAt))}</Upload>`,
  )
  return xmlDocument(
    'ListMultipartUploadsResult',
    element('Bucket', page.bucket) +
      element('Prefix', encode(page.prefix)) +
      element('KeyMarker', encode(page.keyMarker)) +
      element('UploadIdMarker', page.uploadIdMarker) +
      element('NextKeyMarker', page.nextKeyMarker && encode(page.nextKeyMarker)) +
      element('NextUploadIdMarker', page.nextUploadIdMarker) +
      element('MaxUploads', page.maxUploads) +
      sharedEnd(page, encode) +
      uploads.join('') +
      commonPrefixes(page, encode),
  )
}

function encoderOf(page: Page): Encode {
  return page.encodingType === 'url' ? urlEncode : (name) => name
}

function sharedEnd(page: Page, encode: Encode): string {
  const delimiter = page.delimiter === '' ? '' : element('Delimiter', encode(page.delimiter))
  return delimiter + element('EncodingType', page.encodingType) + element('IsTruncated', page.isTruncated)
}

function contents(entry: ListedObject, encode: Encode): string {
  return `<Contents>${shownObject(entry, encode)}</Contents>`
}

function version(entry: ListedObjectVersion, encode: Encode): string {
  const named = `${element('VersionId', entry.versionId)}${element('IsLatest', entry.isLatest)}`
  if (!entry.isDeleteMarker) return `<Version>${named}${shownObject(entry, encode)}</Version>`
  const at = element('LastModified', iso8601(entry.lastModifiedAt))
  return `<DeleteMarker>${element('Key', encode(entry.key))}${named}${at}${owner('Owner', entry.owner)}</DeleteMarker>`
}

function shownObject(entry: ListedObject, encode: Encode): string {
  return (
    `${element('Key', encode(entry.key))}${element('LastModified', iso8601(entry.lastModifiedAt))}` +
    `${element('ETag', entry.etag)}${element('ChecksumAlgorithm', entry.checksumAlgorithm)}` +
    `${element('ChecksumType', entry.checksumType)}${element('Size', entry.sizeBytes)}` +
    `${owner('Owner', entry.owner)}<StorageClass>STANDARD</StorageClass>`
  )
}

function owner(name: 'Owner' | 'Initiator', who: Owner | undefined): string {
  if (who === undefined) return ''
  return `<${name}>${element('ID', who.id)}${element('DisplayName', who.displayName)}</${name}>`
}

function commonPrefixes(page: Page, encode: Encode): string {
  return page.commonPrefixes
    .map((prefix) => `<CommonPrefixes>${element('Prefix', encode(prefix))}</CommonPrefixes>`)
    .join('')
}
