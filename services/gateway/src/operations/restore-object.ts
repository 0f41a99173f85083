import { s3Error } from '@coffer/s3-protocol'
import { findObject } from '../object/find-object.ts'
import { bucketOf, type Operation } from './operation.ts'

/** RestoreObject: nothing is archived, so there is nothing to restore (S3 API, RestoreObject: InvalidObjectState). NoSuchKey. */
export const restoreObject: Operation = async (request, context) => {
  const { key, query } = request.parsed
  const { attributes } = await findObject(context, bucketOf(request), key, query.get('versionId'), { withBody: false })
  throw s3Error('InvalidObjectState', {
    message: "Restore is not allowed for the object's current storage class",
    details: { StorageClass: attributes.storageClass ?? 'STANDARD' },
  })
}
