import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from '../checksums.ts'
import { parseHttpDate } from '../dates.ts'
import { invalidArgument, s3Error } from '../errors.ts'
import type { Tags } from '../object-tags.ts'
import { assertKey } from '../request.ts'
import { findBoolean, findChild, findText, knownChildren, parseXml, type XmlElement } from './parse-xml.ts'
import { parseTags } from './tagging-documents.ts'

const PARTS_MAX = 10_000
const DELETED_OBJECTS_MAX = 1000
const PART_CHECKSUMS = CHECKSUM_ALGORITHMS.map((algorithm) => `Checksum${algorithm}`)

export interface CompletedPart {
  /** 1 to 10,000. */
  readonly partNumber: number
  /** As the client wrote it, with or without quotes. */
  readonly etag: string
  /** Base64. */
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: string }
}

/** CompleteMultipartUpload: the parts in the client's order. MalformedXML, InvalidArgument, InvalidRequest. */
export function parseCompleteMultipartUpload(bytes: Uint8Array): CompletedPart[] {
  if (bytes.length === 0) throw s3Error('MalformedXML')
  const parts = knownChildren(parseXml(bytes, 'CompleteMultipartUpload'), ['Part'])
  if (parts.length === 0 || parts.length > PARTS_MAX) throw s3Error('MalformedXML')
  return parts.map(parsePart)
}

function parsePart(part: XmlElement): CompletedPart {
  knownChildren(part, ['PartNumber', 'ETag', ...PART_CHECKSUMS])
  const number = findText(part, 'PartNumber')?.trim() ?? ''
  const etag = findText(part, 'ETag')?.trim()
  if (!/^\d{1,9}$/.test(number) || etag === undefined) throw s3Error('MalformedXML')
  const partNumber = Number(number)
  if (partNumber < 1 || partNumber > PARTS_MAX) {
    const message = `Part number must be an integer between 1 and ${PARTS_MAX}, inclusive`
    throw invalidArgument('partNumber', number, message)
  }
  const [checksum, another] = checksumsOf(part)
  if (another !== undefined) {
    throw s3Error('InvalidRequest', { message: 'A part can have a checksum of one algorithm only.' })
  }
  return { partNumber, etag, ...(checksum && { checksum }) }
}

function checksumsOf(part: XmlElement): NonNullable<CompletedPart['checksum']>[] {
  return CHECKSUM_ALGORITHMS.flatMap((algorithm) => {
    const value = findText(part, `Checksum${algorithm}`)?.trim()
    return value ? [{ algorithm, value }] : []
  })
}

export interface DeletedObject {
  readonly key: string
  readonly versionId?: string
  /** These three: only if the current object is so. */
  readonly etag?: string
  readonly modifiedAtMs?: number
  readonly sizeBytes?: number
}

export interface DeleteRequest {
  readonly quiet: boolean
  readonly objects: readonly DeletedObject[]
}

/** DeleteObjects: 1 to 1,000 keys. MalformedXML, KeyTooLongError. */
export function parseDelete(bytes: Uint8Array): DeleteRequest {
  const root = parseXml(bytes, 'Delete')
  const objects = knownChildren(root, ['Object', 'Quiet']).filter(({ name }) => name === 'Object')
  if (objects.length === 0 || objects.length > DELETED_OBJECTS_MAX) throw s3Error('MalformedXML')
  return { quiet: findBoolean(root, 'Quiet') ?? false, objects: objects.map(parseDeletedObject) }
}

function parseDeletedObject(object: XmlElement): DeletedObject {
  knownChildren(object, ['Key', 'VersionId', 'ETag', 'LastModifiedTime', 'Size'])
  const key = findText(object, 'Key')
  const versionId = findText(object, 'VersionId')?.trim()
  const etag = findText(object, 'ETag')?.trim()
  const size = findText(object, 'Size')?.trim()
  const modified = findText(object, 'LastModifiedTime')?.trim()
  const modifiedAtMs = modified === undefined ? undefined : parseHttpDate(modified)
  // A condition that can't be read must not be passed over: what it guards against would be deleted.
  if (modified !== undefined && modifiedAtMs === undefined) throw s3Error('MalformedXML')
  if (size !== undefined && !/^\d{1,15}$/.test(size)) throw s3Error('MalformedXML')
  if (key === undefined || key === '') throw s3Error('MalformedXML')
  assertKey(key)
  return {
    key,
    ...(versionId && { versionId }),
    ...(etag && { etag }),
    ...(modifiedAtMs !== undefined && { modifiedAtMs }),
    ...(size !== undefined && { sizeBytes: Number(size) }),
  }
}

/** CreateBucket. MalformedXML, InvalidTag, BadRequest; NotImplemented for directory buckets. */
export function parseCreateBucketConfiguration(bytes: Uint8Array): { locationConstraint?: string; tags?: Tags } {
  const root = parseXml(bytes, 'CreateBucketConfiguration')
  const [asked] = knownChildren(root, ['LocationConstraint', 'Location', 'Bucket', 'Tags']).filter(
    ({ name }) => name !== 'LocationConstraint' && name !== 'Tags',
  )
  if (asked !== undefined) {
    throw s3Error('NotImplemented', { message: `${asked.name} of a new bucket is not available on this server.` })
  }
  const tagged = findChild(root, 'Tags')
  const given = tagged === undefined ? {} : parseTags(knownChildren(tagged, ['Tag']), 'bucket')
  // An empty list is none.
  const tags = Object.keys(given).length > 0 && { tags: given }
  const location = findText(root, 'LocationConstraint')?.trim()
  if (location === undefined || location === '') return { ...tags }
  if (!/^[A-Za-z0-9-]{1,64}$/.test(location)) throw s3Error('MalformedXML')
  return { locationConstraint: location, ...tags }
}

/** PutBucketVersioning. MalformedXML, IllegalVersioningConfigurationException; NotImplemented for MFA delete. */
export function parseVersioningConfiguration(bytes: Uint8Array): { status: 'enabled' | 'suspended' } {
  const root = parseXml(bytes, 'VersioningConfiguration')
  knownChildren(root, ['Status', 'MfaDelete'])
  const mfaDelete = findText(root, 'MfaDelete')?.trim()
  if (mfaDelete !== undefined && mfaDelete !== 'Disabled') {
    throw s3Error('NotImplemented', { message: 'MFA delete is not available.' })
  }
  const status = findText(root, 'Status')?.trim()
  if (status === 'Enabled') return { status: 'enabled' }
  if (status === 'Suspended') return { status: 'suspended' }
  if (status !== undefined) throw s3Error('MalformedXML')
  throw s3Error('IllegalVersioningConfigurationException', { message: 'The Versioning element must be specified' })
}
