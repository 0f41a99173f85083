import { emptyReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** HeadBucket. */
export const headBucket: Operation = async (request) =>
  emptyReply(200, { 'x-amz-bucket-region': bucketOf(request).config.region })
