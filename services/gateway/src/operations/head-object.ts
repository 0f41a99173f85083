import { parseSseRequest, responseOverrides } from '@coffer/s3-protocol'
import { findObject } from '../object/find-object.ts'
import { openKeyOf } from '../object/read-object.ts'
import { bucketOf, type Operation } from './operation.ts'
import { assertReadConditions, planRange } from './read-plan.ts'
import { objectHeaders } from './response-headers.ts'

/** HeadObject: what GetObject would say, without the body. For SSE-C the key must be right here too. */
export const headObject: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query, headers, secure } = request.parsed
  const sse = parseSseRequest(headers, secure, 'read')
  const object = await findObject(context, bucket, key, query.get('versionId'), {
    withBody: query.has('partNumber'),
    known: request.existing?.found,
  })
  // Opening the key costs a call only where the client brings it.
  if (sse.kind === 'SSE-C' || object.attributes.sse === 'SSE-C') await openKeyOf(context, bucket, object, sse)
  const described = objectHeaders(request.parsed, bucket, object, sse)
  assertReadConditions(headers, object, described)
  const planned = planRange(request.parsed, bucket, object)
  return {
    status: planned.status,
    headers: { ...described, ...responseOverrides(query), ...planned.headers },
  }
}
