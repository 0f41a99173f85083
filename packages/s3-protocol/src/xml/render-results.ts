import type { ChecksumAlgorithm, ChecksumType } from '../checksums.ts'
import { iso8601 } from '../dates.ts'
import type { StorageClass } from '../storage-class.ts'
import type { BucketEncryption } from './encryption-documents.ts'
import { type Owner, ownerElement } from './owner.ts'
import { element, plainDocument, xmlDocument } from './write-xml.ts'

interface PartChecksum {
  readonly algorithm: ChecksumAlgorithm
  /** Base64. */
  readonly value: string
}

interface ObjectChecksum extends PartChecksum {
  readonly type: ChecksumType
}

/** As in S3's answers about buckets themselves since 2025. */
export function bucketArn(name: string): string {
  return `arn:aws:s3:::${name}`
}

export function renderListBuckets(result: {
  readonly owner: Owner
  readonly buckets: readonly { readonly name: string; readonly createdAt: number; readonly region?: string }[]
  readonly prefix?: string
  readonly continuationToken?: string
}): string {
  const buckets = result.buckets.map(
    ({ name, createdAt, region }) =>
      `<Bucket>${element('Name', name)}${element('CreationDate', iso8601(createdAt))}${element('BucketRegion', region)}${element('BucketArn', bucketArn(name))}</Bucket>`,
  )
  return xmlDocument(
    'ListAllMyBucketsResult',
    `${ownerElement('Owner', result.owner)}<Buckets>${buckets.join('')}</Buckets>` +
      element('ContinuationToken', result.continuationToken) +
      element('Prefix', result.prefix),
  )
}

/** S3 API, GetBucketLocation: us-east-1 has no location constraint. */
export function renderLocationConstraint(region: string): string {
  return xmlDocument('LocationConstraint', region === 'us-east-1' ? '' : region)
}

export function renderVersioningConfiguration(result: {
  readonly status: 'enabled' | 'suspended' | undefined
}): string {
  const status = result.status && (result.status === 'enabled' ? 'Enabled' : 'Suspended')
  return xmlDocument('VersioningConfiguration', element('Status', status))
}

export function renderServerSideEncryptionConfiguration(encryption: BucketEncryption): string {
  const { algorithm, kmsKeyId, bucketKeyEnabled, blocked } = encryption
  const byDefault = element('SSEAlgorithm', algorithm) + element('KMSMasterKeyID', kmsKeyId)
  const types = (blocked?.length ? blocked : ['NONE']).map((type) => element('EncryptionType', type)).join('')
  return xmlDocument(
    'ServerSideEncryptionConfiguration',
    `<Rule><ApplyServerSideEncryptionByDefault>${byDefault}</ApplyServerSideEncryptionByDefault>` +
      element('BucketKeyEnabled', bucketKeyEnabled) +
      (blocked === undefined ? '' : `<BlockedEncryptionTypes>${types}</BlockedEncryptionTypes>`) +
      '</Rule>',
  )
}

export function renderInitiateMultipartUpload(result: { bucket: string; key: string; uploadId: string }): string {
  return xmlDocument(
    'InitiateMultipartUploadResult',
    element('Bucket', result.bucket) + element('Key', result.key) + element('UploadId', result.uploadId),
  )
}

export function renderCompleteMultipartUpload(result: {
  readonly location: string
  readonly bucket: string
  readonly key: string
  readonly etag: string
  readonly checksum?: ObjectChecksum
}): string {
  return xmlDocument(
    'CompleteMultipartUploadResult',
    element('Location', result.location) +
      element('Bucket', result.bucket) +
      element('Key', result.key) +
      element('ETag', result.etag) +
      objectChecksum(result.checksum),
  )
}

export function renderCopyObjectResult(result: {
  readonly etag: string
  readonly lastModifiedAt: number
  readonly checksum?: ObjectChecksum
}): string {
  return xmlDocument(
    'CopyObjectResult',
    element('ETag', result.etag) +
      element('LastModified', iso8601(result.lastModifiedAt)) +
      objectChecksum(result.checksum),
  )
}

export function renderCopyPartResult(result: {
  readonly etag: string
  readonly lastModifiedAt: number
  readonly checksum?: PartChecksum
}): string {
  return xmlDocument(
    'CopyPartResult',
    element('ETag', result.etag) +
      element('LastModified', iso8601(result.lastModifiedAt)) +
      partChecksum(result.checksum),
  )
}

export type DeleteOutcome =
  | {
      readonly kind: 'deleted'
      readonly key: string
      readonly versionId?: string
      readonly deleteMarker?: boolean
      readonly deleteMarkerVersionId?: string
    }
  | {
      readonly kind: 'error'
      readonly key: string
      readonly versionId?: string
      readonly code: string
      readonly message: string
    }

/** DeleteObjects; quiet: only what failed. */
export function renderDeleteResult(result: {
  readonly results: readonly DeleteOutcome[]
  readonly quiet: boolean
}): string {
  const shown = result.results.map((outcome) => {
    const named = element('Key', outcome.key) + element('VersionId', outcome.versionId)
    if (outcome.kind === 'error') {
      return `<Error>${named}${element('Code', outcome.code)}${element('Message', outcome.message)}</Error>`
    }
    if (result.quiet) return ''
    const marker =
      element('DeleteMarker', outcome.deleteMarker) + element('DeleteMarkerVersionId', outcome.deleteMarkerVersionId)
    return `<Deleted>${named}${marker}</Deleted>`
  })
  return xmlDocument('DeleteResult', shown.join(''))
}

export function renderListParts(result: {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
  readonly owner: Owner
  readonly storageClass: StorageClass
  readonly partNumberMarker: number
  readonly nextPartNumberMarker: number | undefined
  readonly maxParts: number
  readonly isTruncated: boolean
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined
  readonly checksumType: ChecksumType | undefined
  readonly parts: readonly {
    readonly partNumber: number
    readonly lastModifiedAt: number
    readonly etag: string
    readonly sizeBytes: number
    readonly checksum?: PartChecksum
  }[]
}): string {
  const parts = result.parts.map(
    (part) =>
      `<Part>${element('PartNumber', part.partNumber)}${element('LastModified', iso8601(part.lastModifiedAt))}` +
      `${element('ETag', part.etag)}${element('Size', part.sizeBytes)}${partChecksum(part.checksum)}</Part>`,
  )
  return xmlDocument(
    'ListPartsResult',
    element('Bucket', result.bucket) +
      element('Key', result.key) +
      element('UploadId', result.uploadId) +
      ownerElement('Initiator', result.owner) +
      ownerElement('Owner', result.owner) +
      element('StorageClass', result.storageClass) +
      element('PartNumberMarker', result.partNumberMarker) +
      element('NextPartNumberMarker', result.nextPartNumberMarker) +
      element('MaxParts', result.maxParts) +
      element('IsTruncated', result.isTruncated) +
      element('ChecksumAlgorithm', result.checksumAlgorithm) +
      element('ChecksumType', result.checksumType) +
      parts.join(''),
  )
}

export function renderObjectAttributes(result: {
  /** Without quotes: S3 API, GetObjectAttributes. */
  readonly etag?: string
  readonly checksum?: ObjectChecksum
  readonly parts?: {
    readonly totalPartsCount: number
    readonly partNumberMarker: number
    readonly nextPartNumberMarker: number
    readonly maxParts: number
    readonly isTruncated: boolean
    readonly parts: readonly {
      readonly partNumber: number
      readonly sizeBytes: number
      readonly checksum?: PartChecksum
    }[]
  }
  readonly storageClass?: string
  readonly sizeBytes?: number
}): string {
  const { parts } = result
  const shownParts = parts && [
    element('PartsCount', parts.totalPartsCount),
    element('PartNumberMarker', parts.partNumberMarker),
    element('NextPartNumberMarker', parts.nextPartNumberMarker),
    element('MaxParts', parts.maxParts),
    element('IsTruncated', parts.isTruncated),
    ...parts.parts.map(
      (part) =>
        `<Part>${element('PartNumber', part.partNumber)}${element('Size', part.sizeBytes)}${partChecksum(part.checksum)}</Part>`,
    ),
  ]
  return xmlDocument(
    'GetObjectAttributesResponse',
    element('ETag', result.etag) +
      (result.checksum ? `<Checksum>${objectChecksum(result.checksum)}</Checksum>` : '') +
      (shownParts ? `<ObjectParts>${shownParts.join('')}</ObjectParts>` : '') +
      element('StorageClass', result.storageClass) +
      element('ObjectSize', result.sizeBytes),
  )
}

function partChecksum(checksum: PartChecksum | undefined): string {
  return checksum === undefined ? '' : element(`Checksum${checksum.algorithm}`, checksum.value)
}

function objectChecksum(checksum: ObjectChecksum | undefined): string {
  return checksum === undefined ? '' : partChecksum(checksum) + element('ChecksumType', checksum.type)
}

/** S3 API, "POST Object", success_action_status 201. */
export function renderPostResponse(result: {
  readonly location: string
  readonly bucket: string
  readonly key: string
  readonly etag: string
}): string {
  const { location, bucket, key, etag } = result
  return plainDocument(
    'PostResponse',
    element('Location', location) + element('Bucket', bucket) + element('Key', key) + element('ETag', etag),
  )
}

/** The documents of configurations that a bucket has not: what AWS answers for a bucket on which nobody set them. */
export const UNSET_CONFIGURATIONS = {
  analytics: xmlDocument('ListBucketAnalyticsConfigurationsResult', element('IsTruncated', false)),
  intelligentTiering: xmlDocument('ListBucketIntelligentTieringConfigurationsOutput', element('IsTruncated', false)),
  inventory: xmlDocument('ListInventoryConfigurationsResult', element('IsTruncated', false)),
  metrics: xmlDocument('ListMetricsConfigurationsResult', element('IsTruncated', false)),
} as const
