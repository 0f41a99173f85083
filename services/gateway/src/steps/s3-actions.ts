import type { ParsedRequest } from '@coffer/s3-protocol'

/** What an operation needs leave for, where that is not its own name. Source: Service Authorization Reference, Amazon S3. */
const ACTIONS: Readonly<Record<string, string>> = {
  CompleteMultipartUpload: 'PutObject',
  CopyObject: 'PutObject',
  CreateMultipartUpload: 'PutObject',
  DeleteAccountPublicAccessBlock: 'PutAccountPublicAccessBlock',
  DeleteBucketAnalyticsConfiguration: 'PutAnalyticsConfiguration',
  DeleteBucketIntelligentTieringConfiguration: 'PutIntelligentTieringConfiguration',
  DeleteBucketInventoryConfiguration: 'PutInventoryConfiguration',
  DeleteBucketMetadataConfiguration: 'DeleteBucketMetadataTableConfiguration',
  DeleteBucketMetricsConfiguration: 'PutMetricsConfiguration',
  DeleteBucketCors: 'PutBucketCORS',
  DeleteBucketEncryption: 'PutEncryptionConfiguration',
  DeleteBucketLifecycle: 'PutLifecycleConfiguration',
  DeleteBucketOwnershipControls: 'PutBucketOwnershipControls',
  DeleteBucketReplication: 'PutReplicationConfiguration',
  DeleteBucketTagging: 'PutBucketTagging',
  DeletePublicAccessBlock: 'PutBucketPublicAccessBlock',
  GetBucketAccelerateConfiguration: 'GetAccelerateConfiguration',
  GetBucketAnalyticsConfiguration: 'GetAnalyticsConfiguration',
  GetBucketIntelligentTieringConfiguration: 'GetIntelligentTieringConfiguration',
  GetBucketInventoryConfiguration: 'GetInventoryConfiguration',
  GetBucketMetadataConfiguration: 'GetBucketMetadataTableConfiguration',
  GetBucketMetricsConfiguration: 'GetMetricsConfiguration',
  ListBucketAnalyticsConfigurations: 'GetAnalyticsConfiguration',
  ListBucketIntelligentTieringConfigurations: 'GetIntelligentTieringConfiguration',
  ListBucketInventoryConfigurations: 'GetInventoryConfiguration',
  ListBucketMetricsConfigurations: 'GetMetricsConfiguration',
  GetBucketCors: 'GetBucketCORS',
  GetBucketEncryption: 'GetEncryptionConfiguration',
  GetBucketLifecycleConfiguration: 'GetLifecycleConfiguration',
  GetBucketNotificationConfiguration: 'GetBucketNotification',
  GetBucketReplication: 'GetReplicationConfiguration',
  GetObjectLockConfiguration: 'GetBucketObjectLockConfiguration',
  GetPublicAccessBlock: 'GetBucketPublicAccessBlock',
  HeadBucket: 'ListBucket',
  HeadObject: 'GetObject',
  ListBuckets: 'ListAllMyBuckets',
  ListMultipartUploads: 'ListBucketMultipartUploads',
  ListObjects: 'ListBucket',
  ListObjectsV2: 'ListBucket',
  ListObjectVersions: 'ListBucketVersions',
  ListParts: 'ListMultipartUploadParts',
  PostObject: 'PutObject',
  CreateBucketMetadataConfiguration: 'CreateBucketMetadataTableConfiguration',
  PutBucketAccelerateConfiguration: 'PutAccelerateConfiguration',
  PutBucketAnalyticsConfiguration: 'PutAnalyticsConfiguration',
  PutBucketIntelligentTieringConfiguration: 'PutIntelligentTieringConfiguration',
  PutBucketInventoryConfiguration: 'PutInventoryConfiguration',
  PutBucketMetricsConfiguration: 'PutMetricsConfiguration',
  SelectObjectContent: 'GetObject',
  PutBucketCors: 'PutBucketCORS',
  PutBucketEncryption: 'PutEncryptionConfiguration',
  PutBucketLifecycleConfiguration: 'PutLifecycleConfiguration',
  PutBucketNotificationConfiguration: 'PutBucketNotification',
  PutBucketReplication: 'PutReplicationConfiguration',
  PutObjectLockConfiguration: 'PutBucketObjectLockConfiguration',
  PutPublicAccessBlock: 'PutBucketPublicAccessBlock',
  RenameObject: 'PutObject',
  UploadPart: 'PutObject',
  UploadPartCopy: 'PutObject',
}

/** Of a named version they are other actions. */
const OF_VERSION: Readonly<Record<string, string>> = {
  DeleteObject: 'DeleteObjectVersion',
  DeleteObjectTagging: 'DeleteObjectVersionTagging',
  GetObject: 'GetObjectVersion',
  GetObjectAcl: 'GetObjectVersionAcl',
  GetObjectAttributes: 'GetObjectVersionAttributes',
  GetObjectTagging: 'GetObjectVersionTagging',
  PutObjectAcl: 'PutObjectVersionAcl',
  PutObjectTagging: 'PutObjectVersionTagging',
}

/** On the account itself, or on a bucket that will be its; anything else on a bucket that is not there is nobody's. */
const ACCOUNT_OPERATIONS: readonly string[] = [
  'CreateBucket',
  'DeleteAccountPublicAccessBlock',
  'GetAccountPublicAccessBlock',
  'ListBuckets',
  'PutAccountPublicAccessBlock',
]

export function isAccountOperation(operation: string): boolean {
  return ACCOUNT_OPERATIONS.includes(operation)
}

/** The same of an action, `s3:CreateBucket`. */
export function isAccountAction(action: string): boolean {
  return ACCOUNT_OPERATIONS.some((operation) => action === `s3:${ACTIONS[operation] ?? operation}`)
}

/** `s3:` and the action that a request needs leave for. */
export function actionOf({ operation, query }: Pick<ParsedRequest, 'operation' | 'query'>): `s3:${string}` {
  const name = ACTIONS[operation] ?? operation
  return versionedAction(name, query.get('versionId'))
}

export function versionedAction(name: string, versionId: string | undefined): `s3:${string}` {
  return `s3:${(versionId !== undefined && OF_VERSION[name]) || name}`
}

/**
 * The Amazon Resource Name of a bucket, or of an object in it. Where there is neither, that of no bucket, so that policies on `*` and on
 * `arn:aws:s3:::*` both speak of it (S3 User Guide, examples of identity policies: s3:ListAllMyBuckets).
 */
export function resourceOf(bucket: string, key: string): string {
  if (bucket === '') return 'arn:aws:s3:::'
  return key === '' ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${key}`
}

/** The inverse. Undefined: that names neither. */
export function parseResource(arn: string): { readonly bucket: string; readonly key: string } | undefined {
  const [, bucket, key = ''] = /^arn:aws[a-z-]*:s3:::([^/]*)(?:\/(.*))?$/s.exec(arn) ?? []
  return bucket === undefined ? undefined : { bucket, key }
}
