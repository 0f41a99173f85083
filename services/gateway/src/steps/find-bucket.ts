import { s3Error } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthenticatedRequest, LocatedRequest } from '../requests.ts'

/** S3 Control API: a bucket is one of the resources that may have tags. */
const ON_RESOURCE: readonly string[] = ['ListTagsForResource', 'TagResource', 'UntagResource']

/** Finds the bucket that the request names; an unknown one ends it, except where it is about to be made. */
export async function findBucket(request: AuthenticatedRequest, context: GatewayContext): Promise<LocatedRequest> {
  const { bucket: name, operation } = request.parsed
  if (name === '' || operation === 'CreateBucket') return { ...request, bucket: undefined }
  const bucket = await context.buckets.find(name)
  if (bucket !== undefined) return { ...request, bucket }
  if (ON_RESOURCE.includes(operation)) throw s3Error('NoSuchResource')
  throw s3Error('NoSuchBucket', { details: { BucketName: name } })
}
