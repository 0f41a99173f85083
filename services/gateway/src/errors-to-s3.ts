import { CofferError } from '@coffer/errors'
import type { Logger } from '@coffer/mesh'
import { S3Error, type S3ErrorCode, s3Error } from '@coffer/s3-protocol'

/** How the refusals of the services look to an S3 client. What is not here is an InternalError. */
const S3_CODES: Readonly<Record<string, S3ErrorCode>> = {
  CRYPTO_NOT_APPROVED: 'NotImplemented',
  IAM_SESSION_EXPIRED: 'ExpiredToken',
  IAM_SESSION_TOKEN_INVALID: 'InvalidToken',
  META_BUCKET_NOT_FOUND: 'NoSuchBucket',
  META_BUCKET_NOT_EMPTY: 'BucketNotEmpty',
  META_BUCKET_CHANGED: 'OperationAborted',
  META_PRECONDITION_FAILED: 'ConditionalRequestConflict',
  META_VERSION_NOT_NEWEST: 'OperationAborted',
  META_UPLOAD_NOT_FOUND: 'NoSuchUpload',
  META_UPLOAD_CHANGED: 'OperationAborted',
  META_WRITER_RETIRED: 'ServiceUnavailable',
  META_STORE_FULL: 'StorageFull',
  META_STORE_CLOSED: 'ServiceUnavailable',
  META_UNAVAILABLE: 'ServiceUnavailable',
  BLOB_STORE_FULL: 'StorageFull',
  BLOB_UNAVAILABLE: 'ServiceUnavailable',
  AUDIT_UNAVAILABLE: 'ServiceUnavailable',
  MESH_SERVICE_UNAVAILABLE: 'ServiceUnavailable',
  KMS_UNAVAILABLE: 'ServiceUnavailable',
  KMS_KEY_NOT_FOUND: 'KMS.NotFoundException',
  KMS_ALIAS_NOT_FOUND: 'KMS.NotFoundException',
  KMS_CONNECTOR_NOT_FOUND: 'KMS.NotFoundException',
  KMS_KEY_ID_INVALID: 'KMS.NotFoundException',
  KMS_KEY_DISABLED: 'KMS.DisabledException',
  KMS_KEY_PENDING_DELETION: 'KMS.KMSInvalidStateException',
}

/** Failures that mean stored bytes are not what was written: they get an audit line. */
const DAMAGE = /^(CRYPTO_|META_RECORD_DAMAGED|BLOB_TRUNCATED|BLOB_NOT_FOUND|KMS_RECORD_DAMAGED|KMS_CIPHERTEXT_REFUSED)/

/** Whatever an operation threw, as the error that the client is told. The cause is logged, never sent. */
export function toS3Error(error: unknown, logger: Logger): S3Error {
  if (error instanceof S3Error) return error
  if (!(error instanceof CofferError)) {
    logger.error({ err: error }, 'request failed unexpectedly')
    return s3Error('InternalError', { cause: error })
  }
  if (error.code === 'KMS_ACCESS_DENIED') return refusedByKms(error, logger)
  if (error.code === 'META_QUOTA_EXCEEDED') return quotaExceeded(error)
  const code = S3_CODES[error.code]
  if (code !== undefined) {
    const retry = code === 'ServiceUnavailable' ? { headers: { 'retry-after': '1' } } : {}
    return s3Error(code, { cause: error, ...retry })
  }
  if (DAMAGE.test(error.code)) {
    logger.error({ audit: 'integrity', code: error.code, details: error.details }, 'stored data is damaged')
    return s3Error('InternalError', {
      message: 'The stored object is damaged: its bytes are not the ones that were written.',
      cause: error,
    })
  }
  logger.error({ err: error, code: error.code }, 'request failed')
  return s3Error('InternalError', { cause: error })
}

/** Which quota, never how much of it is used: whoever may write to a bucket may be another account's. */
function quotaExceeded(error: CofferError): S3Error {
  const whose = error.details.scope === 'bucket' ? 'the bucket' : 'the account that owns the bucket'
  const what = error.details.limit === 'size' ? 'bytes' : 'object versions'
  return s3Error('QuotaExceeded', { message: `This would exceed the quota of ${what} of ${whose}.`, cause: error })
}

/** As AWS answers where S3 may not use the key: to try again is of no use until somebody allows it. */
function refusedByKms(error: CofferError, logger: Logger): S3Error {
  logger.error({ audit: 'keys', details: error.details }, 'a KMS refuses the use of a key')
  return s3Error('AccessDenied', { message: 'The KMS refuses this server the use of the key.', cause: error })
}
