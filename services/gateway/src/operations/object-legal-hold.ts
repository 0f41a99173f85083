import { parseLegalHold, renderLegalHold, s3Error } from '@coffer/s3-protocol'
import { collectDocument, DOCUMENT_BYTES_MAX } from '../body/upload-payload.ts'
import { changeAttributes } from '../object/change-attributes.ts'
import { findObject } from '../object/find-object.ts'
import { objectLockOf } from '../object/object-lock.ts'
import { replicaChangeOf } from '../object/replica-request.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** GetObjectLegalHold. NoSuchObjectLockConfiguration, InvalidRequest in a bucket without Object Lock. */
export const getObjectLegalHold: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query } = request.parsed
  objectLockOf(bucket)
  const { attributes } = await findObject(context, bucket, key, query.get('versionId'), { withBody: false })
  const legalHold = attributes.lock?.legalHold
  if (legalHold === undefined) throw s3Error('NoSuchObjectLockConfiguration', { details: { Key: key } })
  return xmlReply(renderLegalHold(legalHold))
}

/** PutObjectLegalHold. */
export const putObjectLegalHold: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query } = request.parsed
  objectLockOf(bucket)
  const legalHold = parseLegalHold(await collectDocument(request, DOCUMENT_BYTES_MAX))
  const told = { what: 'legal-hold', ...replicaChangeOf(request, 's3:ReplicateObject') } as const
  await changeAttributes(context, bucket, { key, versionId: query.get('versionId') }, told, (attributes) => ({
    ...attributes,
    lock: { ...attributes.lock, legalHold },
  }))
  return emptyReply(200)
}
