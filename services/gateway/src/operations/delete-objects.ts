import { isS3Error, parseDelete, renderDeleteResult, S3Error, s3Error } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { toS3Error } from '../errors-to-s3.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { deleteObject } from '../object/delete-object.ts'
import { originOf } from '../object/event-origin.ts'
import { bypassesGovernance } from '../object/object-lock.ts'
import type { WriteCondition } from '../object/write-condition.ts'
import { xmlReply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { isPermittedOnObject } from '../steps/permission.ts'
import { versionedAction } from '../steps/s3-actions.ts'
import { bucketOf, type Operation } from './operation.ts'

/** A thousand keys of 1,024 bytes, each escaped at worst sixfold. */
const DOCUMENT_BYTES_MAX = 8 * 1024 * 1024
/** Deletions under way at once: they share group commits. */
const CONCURRENT_MAX = 64

type Entry = ReturnType<typeof parseDelete>['objects'][number]
type Outcome = Parameters<typeof renderDeleteResult>[0]['results'][number]

/** DeleteObjects: up to 1,000 keys, each with its own outcome. */
export const deleteObjects: Operation = async (request, context) => {
  const { objects, quiet } = parseDelete(await collectDocument(request, DOCUMENT_BYTES_MAX))
  const results: Outcome[] = []
  for (let start = 0; start < objects.length; start += CONCURRENT_MAX) {
    const slice = objects.slice(start, start + CONCURRENT_MAX)
    results.push(...(await Promise.all(slice.map((entry) => deleteOne(request, context, entry)))))
    for (const outcome of results.slice(start)) request.trail.item(itemOf(outcome))
  }
  return xmlReply(renderDeleteResult({ results, quiet }))
}

async function deleteOne(request: AuthorizedRequest, context: GatewayContext, entry: Entry): Promise<Outcome> {
  const { key, versionId } = entry
  const bucket = bucketOf(request)
  try {
    const action = versionedAction('DeleteObject', versionId)
    if (
      !(await isPermittedOnObject(request, context, bucket, {
        action,
        key,
        versionId,
        said: { 's3:if-match': entry.etag },
      }))
    )
      throw s3Error('AccessDenied')
    const deleted = await deleteObject(context, bucket, {
      key,
      versionId,
      condition: conditionOf(entry),
      bypassGovernance: bypassesGovernance(request, key),
      origin: originOf(request),
      isReplica: false,
    })
    return {
      kind: 'deleted',
      key,
      ...(versionId !== undefined && { versionId }),
      ...(deleted.deleteMarker && { deleteMarker: true }),
      ...(deleted.deleteMarker && deleted.versionId !== undefined && { deleteMarkerVersionId: deleted.versionId }),
    }
  } catch (thrown) {
    const error = isUnknownVersion(thrown, versionId) ? s3Error('NoSuchVersion') : thrown
    const { code, message } = error instanceof S3Error ? error : toS3Error(error, context.options.logger)
    return { kind: 'error', key, code, message, ...(versionId !== undefined && { versionId }) }
  }
}

/** Recorded of AWS by LocalStack (test_delete_objects): in a list a text that is no version id is one of a version that is not there. */
function isUnknownVersion(error: unknown, versionId: string | undefined): boolean {
  return versionId !== undefined && versionId !== '' && isS3Error(error, 'InvalidArgument')
}

/** For the audit trail: each key as a request of its own. */
function itemOf(outcome: Outcome) {
  const { key, versionId } = outcome
  return { key, versionId, ...(outcome.kind === 'error' && { error: outcome.code }) }
}

function conditionOf({ etag, modifiedAtMs, sizeBytes }: Entry): WriteCondition | undefined {
  if (etag === undefined && modifiedAtMs === undefined && sizeBytes === undefined) return undefined
  return { ifMatch: etag, ifMatchModifiedAtMs: modifiedAtMs, ifMatchSizeBytes: sizeBytes }
}
