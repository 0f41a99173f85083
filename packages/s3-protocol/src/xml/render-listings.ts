import type { ChecksumAlgorithm, ChecksumType } from '../checksums.ts'
import { iso8601 } from '../dates.ts'
import type { StorageClass } from '../storage-class.ts'
import { type Owner, ownerElement } from './owner.ts'
import { element, escapeXml, urlEncode, xmlDocument } from './write-xml.ts'

export interface ListedObject {
  readonly key: string
  readonly lastModifiedAt: number
  readonly sizeBytes: number
  /** Quoted. */
  readonly etag: string
  readonly checksumAlgorithm?: ChecksumAlgorithm
  readonly checksumType?: ChecksumType
  readonly owner?: Owner
  /** Absent: STANDARD. */
  readonly storageClass?: StorageClass
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
    readonly checksumAlgorithm?: ChecksumAlgorithm
    readonly checksumType?: ChecksumType
    /** Absent: STANDARD. */
    readonly storageClass?: StorageClass
  }[]
}

/** A name as element content: escaped, or URL-encoded, which leaves nothing to escape. */
type Encode = (name: string) => string

/** ListObjects, version 1. */
export function renderListObjects(page: ListObjectsPage): string {
  const encode = encoderOf(page)
  return xmlDocument(
    'ListBucketResult',
    element('Name', page.bucket) +
      named('Prefix', page.prefix, encode) +
      named('Marker', page.marker, encode) +
      named('NextMarker', page.nextMarker, encode) +
      element('MaxKeys', page.maxKeys) +
      delimiterOf(page, encode) +
      encodingAndTruncation(page) +
      allContents(page.entries, encode) +
      commonPrefixes(page, encode),
  )
}

/** ListObjectsV2. */
export function renderListObjectsV2(page: ListObjectsV2Page): string {
  const encode = encoderOf(page)
  return xmlDocument(
    'ListBucketResult',
    element('Name', page.bucket) +
      named('Prefix', page.prefix, encode) +
      named('StartAfter', page.startAfter, encode) +
      element('ContinuationToken', page.continuationToken) +
      element('NextContinuationToken', page.nextContinuationToken) +
      element('KeyCount', page.entries.length + page.commonPrefixes.length) +
      element('MaxKeys', page.maxKeys) +
      delimiterOf(page, encode) +
      encodingAndTruncation(page) +
      allContents(page.entries, encode) +
      commonPrefixes(page, encode),
  )
}

/** ListObjectVersions: versions and delete markers in the order of the page. */
export function renderListObjectVersions(page: ListObjectVersionsPage): string {
  const encode = encoderOf(page)
  return xmlDocument(
    'ListVersionsResult',
    element('Name', page.bucket) +
      named('Prefix', page.prefix, encode) +
      named('KeyMarker', page.keyMarker, encode) +
      element('VersionIdMarker', page.versionIdMarker) +
      named('NextKeyMarker', page.nextKeyMarker, encode) +
      element('NextVersionIdMarker', page.nextVersionIdMarker) +
      element('MaxKeys', page.maxKeys) +
      delimiterOf(page, encode) +
      encodingAndTruncation(page) +
      page.entries.map((entry) => version(entry, encode)).join('') +
      commonPrefixes(page, encode),
  )
}

/** ListMultipartUploads: the order of the samples of its API page. */
export function renderListMultipartUploads(page: ListMultipartUploadsPage): string {
  const encode = encoderOf(page)
  const uploads = page.uploads.map(
    (upload) =>
      `<Upload><Key>${encode(upload.key)}</Key>${element('UploadId', upload.uploadId)}` +
      `${ownerElement('Initiator', upload.initiator)}${ownerElement('Owner', upload.owner)}` +
      `${storageClassElement(upload.storageClass)}${element('Initiated', iso8601(upload.initiatedAt))}` +
      `${element('ChecksumAlgorithm', upload.checksumAlgorithm)}${element('ChecksumType', upload.checksumType)}</Upload>`,
  )
  return xmlDocument(
    'ListMultipartUploadsResult',
    element('Bucket', page.bucket) +
      named('KeyMarker', page.keyMarker, encode) +
      element('UploadIdMarker', page.uploadIdMarker) +
      named('NextKeyMarker', page.nextKeyMarker, encode) +
      element('NextUploadIdMarker', page.nextUploadIdMarker) +
      delimiterOf(page, encode) +
      named('Prefix', page.prefix, encode) +
      element('MaxUploads', page.maxUploads) +
      encodingAndTruncation(page) +
      uploads.join('') +
      commonPrefixes(page, encode),
  )
}

function encoderOf(page: Page): Encode {
  return page.encodingType === 'url' ? urlEncode : escapeXml
}

function named(element: string, name: string | undefined, encode: Encode): string {
  return name === undefined ? '' : `<${element}>${encode(name)}</${element}>`
}

function delimiterOf(page: Page, encode: Encode): string {
  return named('Delimiter', page.delimiter || undefined, encode)
}

function encodingAndTruncation(page: Page): string {
  return element('EncodingType', page.encodingType) + element('IsTruncated', page.isTruncated)
}

function allContents(entries: readonly ListedObject[], encode: Encode): string {
  let text = ''
  for (const entry of entries) {
    text += `<Contents><Key>${encode(entry.key)}</Key>${keptObject(entry)}</Contents>`
  }
  return text
}

function version(entry: ListedObjectVersion, encode: Encode): string {
  const shown =
    `<Key>${encode(entry.key)}</Key>${element('VersionId', entry.versionId)}` + `<IsLatest>${entry.isLatest}</IsLatest>`
  if (!entry.isDeleteMarker) return `<Version>${shown}${keptObject(entry)}</Version>`
  const at = `<LastModified>${iso8601(entry.lastModifiedAt)}</LastModified>`
  return `<DeleteMarker>${shown}${at}${ownerElement('Owner', entry.owner)}</DeleteMarker>`
}

function keptObject(entry: ListedObject): string {
  const { checksumAlgorithm, checksumType } = entry
  const checksum =
    checksumAlgorithm === undefined && checksumType === undefined
      ? ''
      : element('ChecksumAlgorithm', checksumAlgorithm) + element('ChecksumType', checksumType)
  return (
    `<LastModified>${iso8601(entry.lastModifiedAt)}</LastModified><ETag>${escapeXml(entry.etag)}</ETag>${checksum}` +
    `<Size>${entry.sizeBytes}</Size>${ownerElement('Owner', entry.owner)}${storageClassElement(entry.storageClass)}`
  )
}

function storageClassElement(storageClass: StorageClass = 'STANDARD'): string {
  return `<StorageClass>${storageClass}</StorageClass>`
}

function commonPrefixes(page: Page, encode: Encode): string {
  return page.commonPrefixes
    .map((prefix) => `<CommonPrefixes><Prefix>${encode(prefix)}</Prefix></CommonPrefixes>`)
    .join('')
}
