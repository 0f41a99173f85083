import type { OperationName } from '@coffer/s3-protocol'
import { abortMultipartUpload } from './abort-multipart-upload.ts'
import {
  deleteAccountPublicAccessBlock,
  getAccountPublicAccessBlock,
  putAccountPublicAccessBlock,
} from './account-public-access-block.ts'
import { getBucketAcl, putBucketAcl } from './bucket-acl.ts'
import { deleteBucketCors, getBucketCors, putBucketCors } from './bucket-cors.ts'
import { deleteBucketEncryption, getBucketEncryption, putBucketEncryption } from './bucket-encryption.ts'
import { deleteBucketLifecycle, getBucketLifecycle, putBucketLifecycle } from './bucket-lifecycle.ts'
import { getBucketLogging, putBucketLogging } from './bucket-logging.ts'
import { getBucketNotification, putBucketNotification } from './bucket-notification.ts'
import {
  deleteBucketOwnershipControls,
  getBucketOwnershipControls,
  putBucketOwnershipControls,
} from './bucket-ownership-controls.ts'
import { deleteBucketPolicy, getBucketPolicy, getBucketPolicyStatus, putBucketPolicy } from './bucket-policy.ts'
import { deleteBucketReplication, getBucketReplication, putBucketReplication } from './bucket-replication.ts'
import { getBucketRequestPayment, putBucketRequestPayment } from './bucket-request-payment.ts'
import { getBucketAbac, getBucketAccelerate, putBucketAbac, putBucketAccelerate } from './bucket-switches.ts'
import { deleteBucketTagging, getBucketTagging, putBucketTagging } from './bucket-tagging.ts'
import { getBucketVersioning, putBucketVersioning } from './bucket-versioning.ts'
import { deleteBucketWebsite, getBucketWebsite, putBucketWebsite } from './bucket-website.ts'
import { completeMultipartUpload } from './complete-multipart-upload.ts'
import { copyObject } from './copy-object.ts'
import { createBucket } from './create-bucket.ts'
import { createMultipartUpload } from './create-multipart-upload.ts'
import { deleteBucket } from './delete-bucket.ts'
import { deleteObject } from './delete-object.ts'
import { deleteObjects } from './delete-objects.ts'
import { getBucketLocation } from './get-bucket-location.ts'
import { getObject } from './get-object.ts'
import { getObjectAttributes } from './get-object-attributes.ts'
import { headBucket } from './head-bucket.ts'
import { headObject } from './head-object.ts'
import { listBuckets } from './list-buckets.ts'
import { listMultipartUploads } from './list-multipart-uploads.ts'
import { listObjectVersions } from './list-object-versions.ts'
import { listObjects } from './list-objects.ts'
import { listObjectsV2 } from './list-objects-v2.ts'
import { listParts } from './list-parts.ts'
import { listenBucketNotification } from './listen-bucket-notification.ts'
import { getObjectAcl, putObjectAcl } from './object-acl.ts'
import { getObjectLegalHold, putObjectLegalHold } from './object-legal-hold.ts'
import { getObjectLockConfiguration, putObjectLockConfiguration } from './object-lock-configuration.ts'
import { getObjectRetention, putObjectRetention } from './object-retention.ts'
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './object-tagging.ts'
import type { Operation } from './operation.ts'
import { postObject } from './post-object.ts'
import { deletePublicAccessBlock, getPublicAccessBlock, putPublicAccessBlock } from './public-access-block.ts'
import { putObject } from './put-object.ts'
import { rekeyCustomerObjects } from './rekey-customer-objects.ts'
import { renameObject } from './rename-object.ts'
import { listTagsForResource, tagResource, untagResource } from './resource-tags.ts'
import { restoreObject } from './restore-object.ts'
import {
  getListedConfiguration,
  getMetadataConfiguration,
  listBucketAnalytics,
  listBucketIntelligentTiering,
  listBucketInventory,
  listBucketMetrics,
  unsetOperations,
} from './unset-configurations.ts'
import { updateObjectEncryption } from './update-object-encryption.ts'
import { uploadPart } from './upload-part.ts'
import { uploadPartCopy } from './upload-part-copy.ts'

/** The operations that Coffer answers; any other that S3 has is NotImplemented. */
export const operations: Readonly<Partial<Record<OperationName, Operation>>> = {
  AbortMultipartUpload: abortMultipartUpload,
  CompleteMultipartUpload: completeMultipartUpload,
  CopyObject: copyObject,
  CreateBucket: createBucket,
  CreateMultipartUpload: createMultipartUpload,
  DeleteBucket: deleteBucket,
  DeleteBucketCors: deleteBucketCors,
  DeleteBucketEncryption: deleteBucketEncryption,
  DeleteBucketLifecycle: deleteBucketLifecycle,
  DeleteBucketOwnershipControls: deleteBucketOwnershipControls,
  DeleteBucketPolicy: deleteBucketPolicy,
  DeleteBucketReplication: deleteBucketReplication,
  DeleteBucketTagging: deleteBucketTagging,
  DeleteBucketWebsite: deleteBucketWebsite,
  DeleteObject: deleteObject,
  DeleteObjects: deleteObjects,
  DeleteObjectTagging: deleteObjectTagging,
  GetBucketAbac: getBucketAbac,
  GetBucketAcl: getBucketAcl,
  GetBucketOwnershipControls: getBucketOwnershipControls,
  GetBucketAccelerateConfiguration: getBucketAccelerate,
  GetBucketCors: getBucketCors,
  GetBucketEncryption: getBucketEncryption,
  GetBucketLifecycleConfiguration: getBucketLifecycle,
  GetBucketLocation: getBucketLocation,
  GetBucketTagging: getBucketTagging,
  GetBucketLogging: getBucketLogging,
  GetBucketNotificationConfiguration: getBucketNotification,
  GetBucketPolicy: getBucketPolicy,
  GetBucketPolicyStatus: getBucketPolicyStatus,
  GetBucketReplication: getBucketReplication,
  GetBucketRequestPayment: getBucketRequestPayment,
  GetBucketVersioning: getBucketVersioning,
  GetBucketWebsite: getBucketWebsite,
  DeleteAccountPublicAccessBlock: deleteAccountPublicAccessBlock,
  DeletePublicAccessBlock: deletePublicAccessBlock,
  GetObject: getObject,
  GetObjectAcl: getObjectAcl,
  GetObjectAttributes: getObjectAttributes,
  GetObjectLegalHold: getObjectLegalHold,
  GetObjectLockConfiguration: getObjectLockConfiguration,
  GetObjectRetention: getObjectRetention,
  GetObjectTagging: getObjectTagging,
  GetAccountPublicAccessBlock: getAccountPublicAccessBlock,
  GetPublicAccessBlock: getPublicAccessBlock,
  HeadBucket: headBucket,
  HeadObject: headObject,
  GetBucketAnalyticsConfiguration: getListedConfiguration,
  GetBucketIntelligentTieringConfiguration: getListedConfiguration,
  GetBucketInventoryConfiguration: getListedConfiguration,
  GetBucketMetricsConfiguration: getListedConfiguration,
  DeleteBucketAnalyticsConfiguration: getListedConfiguration,
  DeleteBucketIntelligentTieringConfiguration: getListedConfiguration,
  DeleteBucketInventoryConfiguration: getListedConfiguration,
  DeleteBucketMetricsConfiguration: getListedConfiguration,
  DeleteBucketMetadataConfiguration: getMetadataConfiguration,
  DeleteBucketMetadataTableConfiguration: getMetadataConfiguration,
  GetBucketMetadataConfiguration: getMetadataConfiguration,
  GetBucketMetadataTableConfiguration: getMetadataConfiguration,
  ListBucketAnalyticsConfigurations: listBucketAnalytics,
  ListBucketIntelligentTieringConfigurations: listBucketIntelligentTiering,
  ListBucketInventoryConfigurations: listBucketInventory,
  ListBucketMetricsConfigurations: listBucketMetrics,
  ListBuckets: listBuckets,
  ListenBucketNotification: listenBucketNotification,
  ListMultipartUploads: listMultipartUploads,
  ListObjectVersions: listObjectVersions,
  ListObjects: listObjects,
  ListObjectsV2: listObjectsV2,
  ListParts: listParts,
  ListTagsForResource: listTagsForResource,
  PostObject: postObject,
  PutBucketAbac: putBucketAbac,
  PutBucketAccelerateConfiguration: putBucketAccelerate,
  PutBucketAcl: putBucketAcl,
  PutBucketOwnershipControls: putBucketOwnershipControls,
  PutObjectAcl: putObjectAcl,
  PutBucketCors: putBucketCors,
  PutBucketEncryption: putBucketEncryption,
  PutBucketLifecycleConfiguration: putBucketLifecycle,
  PutBucketLogging: putBucketLogging,
  PutBucketWebsite: putBucketWebsite,
  PutBucketReplication: putBucketReplication,
  PutBucketRequestPayment: putBucketRequestPayment,
  PutBucketNotificationConfiguration: putBucketNotification,
  PutBucketPolicy: putBucketPolicy,
  PutBucketTagging: putBucketTagging,
  PutBucketVersioning: putBucketVersioning,
  PutObject: putObject,
  PutObjectLegalHold: putObjectLegalHold,
  PutObjectLockConfiguration: putObjectLockConfiguration,
  PutObjectRetention: putObjectRetention,
  PutObjectTagging: putObjectTagging,
  PutAccountPublicAccessBlock: putAccountPublicAccessBlock,
  PutPublicAccessBlock: putPublicAccessBlock,
  RekeyCustomerObjects: rekeyCustomerObjects,
  RenameObject: renameObject,
  RestoreObject: restoreObject,
  TagResource: tagResource,
  UntagResource: untagResource,
  UpdateObjectEncryption: updateObjectEncryption,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
}

/** For docs/s3-compatibility.md. */
export const ANSWERED_OPERATIONS: readonly OperationName[] = Object.keys(operations)

/** Of these, those that only tell that there is no such configuration. */
export const UNSET_OPERATIONS: readonly OperationName[] = Object.entries(operations).flatMap(([name, operation]) =>
  operation !== undefined && unsetOperations.has(operation) ? [name] : [],
)
