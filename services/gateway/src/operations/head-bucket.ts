import { emptyReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** HeadBucket. There are no access points that a name could be the alias of. */
export const headBucket: Operation = async (request) =>
  emptyReply(200, { 'x-amz-bucket-region': bucketOf(request).config.region, 'x-amz-access-point-alias': 'false' })
