import { mayReplaceRetention } from '@coffer/object-record'
import { parseRetention, renderRetention, s3Error } from '@coffer/s3-protocol'
import { collectDocument, DOCUMENT_BYTES_MAX } from '../body/upload-payload.ts'
import { changeAttributes } from '../object/change-attributes.ts'
import { findObject } from '../object/find-object.ts'
import { bypassesGovernance, lockedError, objectLockOf } from '../object/object-lock.ts'
import { replicaChangeOf } from '../object/replica-request.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** GetObjectRetention. NoSuchObjectLockConfiguration, InvalidRequest in a bucket without Object Lock. */
export const getObjectRetention: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query } = request.parsed
  objectLockOf(bucket)
  const { attributes } = await findObject(context, bucket, key, query.get('versionId'), { withBody: false })
  const retention = attributes.lock?.retention
  if (retention === undefined) throw s3Error('NoSuchObjectLockConfiguration', { details: { Key: key } })
  return xmlReply(renderRetention(retention))
}

/** PutObjectRetention: AccessDenied for what would loosen it, but in governance mode with the bypass. */
export const putObjectRetention: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query } = request.parsed
  objectLockOf(bucket)
  const retention = parseRetention(await collectDocument(request, DOCUMENT_BYTES_MAX), Date.now())
  const bypassGovernance = bypassesGovernance(request)
  const replica = replicaChangeOf(request, 's3:ReplicateObject')
  const told = { what: 'retention', ...replica, ...(bypassGovernance && { bypassGovernance }) } as const
  await changeAttributes(context, bucket, { key, versionId: query.get('versionId') }, told, (attributes) => {
    const { retention: current, ...hold } = attributes.lock ?? {}
    if (!mayReplaceRetention(current, retention, Date.now(), { bypassGovernance })) throw lockedError()
    return { ...attributes, lock: { ...hold, ...(retention && { retention }) } }
  })
  return emptyReply(200)
}
