import { bucketArn } from '@coffer/s3-protocol'
import { emptyReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** HeadBucket. There are no access points that a name could be the alias of. */
export const headBucket: Operation = async (request) => {
  const { config, record } = bucketOf(request)
  return emptyReply(200, {
    'x-amz-bucket-arn': bucketArn(record.name),
    'x-amz-bucket-region': config.region,
    'x-amz-access-point-alias': 'false',
  })
}
