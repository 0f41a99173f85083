import { emptyReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** DeleteBucket: only an empty one, without versions, delete markers or uploads in progress. */
export const deleteBucket: Operation = async (request, context) => {
  const { name, id } = bucketOf(request).record
  await context.metadata.deleteBucket(name, id)
  context.buckets.expire(name)
  return emptyReply(204)
}
