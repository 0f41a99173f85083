import { S3Error, s3Error } from '@coffer/s3-protocol'
import type { AuthorizedRequest } from '../requests.ts'
import { isPermitted } from './permission.ts'

/** S3 API, GetObject: who may not list a bucket is not told whether a key is there. Rejects with the error, or AccessDenied. */
export function withholdAbsence(request: AuthorizedRequest, error: unknown): never {
  const { bucket, existing, parsed } = request
  const tellsAbsence = error instanceof S3Error && error.code === 'NoSuchKey'
  if (
    !tellsAbsence ||
    isPermitted(request, { bucket, action: 's3:ListBucket', key: '', existing, said: { 's3:prefix': parsed.key } })
  )
    throw error
  throw s3Error('AccessDenied', { cause: error })
}
