import { deleteObject as deleteNamed } from '../object/delete-object.ts'
import { originOf } from '../object/event-origin.ts'
import { bypassesGovernance } from '../object/object-lock.ts'
import { isReplicaWrite } from '../object/replica-request.ts'
import { deleteConditionOf } from '../object/write-condition.ts'
import { emptyReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** DeleteObject. */
export const deleteObject: Operation = async (request, context) => {
  const { key, query, headers } = request.parsed
  const deleted = await deleteNamed(context, bucketOf(request), {
    key,
    versionId: query.get('versionId'),
    condition: deleteConditionOf(headers),
    bypassGovernance: bypassesGovernance(request),
    origin: originOf(request),
    isReplica: isReplicaWrite(request, 's3:ReplicateDelete'),
  })
  return emptyReply(204, {
    ...(deleted.versionId !== undefined && { 'x-amz-version-id': deleted.versionId }),
    ...(deleted.deleteMarker && { 'x-amz-delete-marker': 'true' }),
  })
}
