import { type OperationName, type S3Error, s3Error } from '@coffer/s3-protocol'

const TABLES = 'Tables of the metadata of objects are not implemented. ListObjectsV2 and events tell what is there.'
const ANNOTATIONS = 'Annotations of objects are not implemented. User metadata and tags are.'

/** Why an operation of S3 is not answered, and what there is instead. */
const REASONS: Readonly<Partial<Record<OperationName, string>>> = {
  CreateSession:
    'Sessions are of directory buckets, which are not implemented. Requests are signed with Signature Version 4.',
  GetObjectTorrent: 'BitTorrent is not implemented, as AWS has it no more.',
  PutBucketAnalyticsConfiguration: 'Storage class analysis is not implemented: nobody would make the reports.',
  PutBucketIntelligentTieringConfiguration: 'Intelligent tiering is not implemented: objects would not be moved.',
  PutBucketInventoryConfiguration:
    'Inventories are not implemented: nobody would write them. ListObjectVersions lists all.',
  PutBucketMetricsConfiguration:
    'Request metrics by filter are not implemented. The server has metrics of its own (Prometheus).',
  SelectObjectContent: 'S3 Select is not implemented, as AWS has closed it to new customers. GetObject reads ranges.',
  CreateBucketMetadataConfiguration: TABLES,
  CreateBucketMetadataTableConfiguration: TABLES,
  UpdateBucketMetadataAnnotationTableConfiguration: TABLES,
  UpdateBucketMetadataInventoryTableConfiguration: TABLES,
  UpdateBucketMetadataJournalTableConfiguration: TABLES,
  DeleteObjectAnnotation: ANNOTATIONS,
  GetObjectAnnotation: ANNOTATIONS,
  ListObjectAnnotations: ANNOTATIONS,
  PutObjectAnnotation: ANNOTATIONS,
}

/** NotImplemented, and why. */
export function refusalOf(operation: OperationName): S3Error {
  return s3Error('NotImplemented', { message: REASONS[operation] ?? `${operation} is not implemented.` })
}
