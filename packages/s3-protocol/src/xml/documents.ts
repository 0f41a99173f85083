import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from '../checksums.ts'
import { s3Error } from '../errors.ts'
import { findChild, findText, parseXml, type XmlElement } from './parse-xml.ts'

const PARTS_MAX = 10_000
const DELETED_OBJECTS_MAX = 1000

export interface CompletedPart {
  /** 1 to 10,000. */
  readonly partNumber: number
  /** As the client wrote it, with or without quotes. */
  readonly etag: string
  /** Base64. */
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: string }
}

/** CompleteMultipartUpload: the parts in the client's order. MalformedXML. */
export function parseCompleteMultipartUpload(bytes: Uint8Array): CompletedPart[] {
  const parts = parseXml(bytes, 'CompleteMultipartUpload').children.filter(({ name }) => name === 'Part')
  if (parts.length === 0 || parts.length > PARTS_MAX) throw s3Error('MalformedXML')
  return parts.map((part) => {
    const number = findText(part, 'PartNumber')?.trim() ?? ''
    const etag = findText(part, 'ETag')?.trim()
    if (!/^\d{1,5}$/.test(number) || etag === undefined) throw s3Error('MalformedXML')
    const checksum = checksumOf(part)
    return { partNumber: Number(number), etag, ...(checksum && { checksum }) }
  })
}

function checksumOf(part: XmlElement): CompletedPart['checksum'] {
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = findText(part, `Checksum${algorithm}`)?.trim()
    if (value !== undefined && value !== '') return { algorithm, value }
  }
  return undefined
}

export interface DeleteRequest {
  readonly quiet: boolean
  readonly objects: readonly { readonly key: string; readonly versionId?: string; readonly etag?: string }[]
}

/** DeleteObjects: 1 to 1,000 keys. MalformedXML. */
export function parseDelete(bytes: Uint8Array): DeleteRequest {
  const root = parseXml(bytes, 'Delete')
  const objects = root.children.filter(({ name }) => name === 'Object')
  if (objects.length === 0 || objects.length > DELETED_OBJECTS_MAX) throw s3Error('MalformedXML')
  return {
    quiet: findText(root, 'Quiet')?.trim() === 'true',
    objects: objects.map((object) => {
      const key = findText(object, 'Key')
      const versionId = findText(object, 'VersionId')?.trim()
      const etag = findText(object, 'ETag')?.trim()
      if (findChild(object, 'LastModifiedTime') !== undefined || findChild(object, 'Size') !== undefined) {
        // Conditions that would be passed over: refused, since what they guard against would be deleted.
        throw s3Error('NotImplemented', {
          message: 'Deletes conditional on LastModifiedTime or Size are not available.',
        })
      }
      if (key === undefined || key === '') throw s3Error('MalformedXML')
      return { key, ...(versionId && { versionId }), ...(etag && { etag }) }
    }),
  }
}

/** CreateBucket. MalformedXML. */
export function parseCreateBucketConfiguration(bytes: Uint8Array): { locationConstraint?: string } {
  const root = parseXml(bytes, 'CreateBucketConfiguration')
  const location = findText(root, 'LocationConstraint')?.trim()
  if (location === undefined || location === '') return {}
  if (!/^[A-Za-z0-9-]{1,64}$/.test(location)) throw s3Error('MalformedXML')
  return { locationConstraint: location }
}

/** PutBucketVersioning. IllegalVersioningConfigurationException; NotImplemented for MFA delete. */
export function parseVersioningConfiguration(bytes: Uint8Array): { status: 'enabled' | 'suspended' } {
  const root = parseXml(bytes, 'VersioningConfiguration')
  const mfaDelete = findText(root, 'MfaDelete')?.trim()
  if (mfaDelete !== undefined && mfaDelete !== 'Disabled')
    throw s3Error('NotImplemented', { message: 'MFA delete is not available.' })
  const status = findText(root, 'Status')?.trim()
  if (status === 'Enabled') return { status: 'enabled' }
  if (status === 'Suspended') return { status: 'suspended' }
  throw s3Error('IllegalVersioningConfigurationException')
}

/** PutBucketEncryption: one rule, SSE-S3. MalformedXML; NotImplemented for KMS keys. */
export function parseServerSideEncryptionConfiguration(bytes: Uint8Array): {
  algorithm: 'AES256'
  bucketKeyEnabled: boolean
} {
  const [rule, another] = parseXml(bytes, 'ServerSideEncryptionConfiguration').children
  if (rule?.name !== 'Rule' || another !== undefined) throw s3Error('MalformedXML')
  const known = ['ApplyServerSideEncryptionByDefault', 'BucketKeyEnabled']
  if (!rule.children.every(({ name }) => known.includes(name))) {
    throw s3Error('NotImplemented', {
      message: 'The encryption rule has elements that are not available on this server.',
    })
  }
  const byDefault = findChild(rule, 'ApplyServerSideEncryptionByDefault')
  const algorithm = byDefault && findText(byDefault, 'SSEAlgorithm')?.trim()
  if (algorithm === 'aws:kms' || algorithm === 'aws:kms:dsse') {
    throw s3Error('NotImplemented', {
      message: `Server side encryption with ${algorithm} is not available on this server.`,
    })
  }
  if (byDefault === undefined || algorithm !== 'AES256') throw s3Error('MalformedXML')
  if (findChild(byDefault, 'KMSMasterKeyID') !== undefined) {
    throw s3Error('InvalidArgument', {
      message: 'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
    })
  }
  return { algorithm: 'AES256', bucketKeyEnabled: findText(rule, 'BucketKeyEnabled')?.trim() !== 'false' }
}
