import { renderLocationConstraint } from '@coffer/s3-protocol'
import { xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** GetBucketLocation: empty for us-east-1, as AWS has it. */
export const getBucketLocation: Operation = async (request) => {
  const { region } = bucketOf(request).config
  return xmlReply(renderLocationConstraint(region))
}
