import { invalidArgument, parseHttpDate, s3Error } from '@coffer/s3-protocol'
import { discardGarbage } from '../object/discard-garbage.ts'
import { findUpload } from '../object/upload.ts'
import { emptyReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

const IF_INITIATED = 'x-amz-if-match-initiated-time'
const SECOND_MS = 1000

/** AbortMultipartUpload: the upload and its parts are gone at once; their blobs right after. PreconditionFailed. */
export const abortMultipartUpload: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query, headers } = request.parsed
  const upload = await findUpload(context, bucket, key, query.get('uploadId'))
  assertInitiated(headers[IF_INITIATED], upload.record.initiatedAt)
  const { garbage } = await context.metadata.abortUpload(bucket.record.id, key, upload.record.uploadId)
  discardGarbage(context, garbage)
  return emptyReply(204)
}

/** To the second, as HTTP dates are. */
function assertInitiated(wanted: string | undefined, initiatedAtMs: number): void {
  if (wanted === undefined) return
  const wantedMs = parseHttpDate(wanted)
  if (wantedMs === undefined) throw invalidArgument(IF_INITIATED, wanted.slice(0, 64), 'The time is not valid.')
  const isSame = Math.floor(wantedMs / SECOND_MS) === Math.floor(initiatedAtMs / SECOND_MS)
  if (!isSame) throw s3Error('PreconditionFailed', { details: { Condition: IF_INITIATED } })
}
