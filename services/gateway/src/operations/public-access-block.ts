import { parsePublicAccessBlock, renderPublicAccessBlock, s3Error } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

const DOCUMENT_BYTES_MAX = 64 * 1024

/** GetPublicAccessBlock. NoSuchPublicAccessBlockConfiguration. */
export const getPublicAccessBlock: Operation = async (request) => {
  const { publicAccessBlock } = bucketOf(request).config
  if (publicAccessBlock === undefined) throw s3Error('NoSuchPublicAccessBlockConfiguration')
  return xmlReply(renderPublicAccessBlock(publicAccessBlock))
}

/** PutPublicAccessBlock. */
export const putPublicAccessBlock: Operation = async (request, context) => {
  const publicAccessBlock = parsePublicAccessBlock(await collectDocument(request, DOCUMENT_BYTES_MAX))
  await updateBucket(context, bucketOf(request), ({ versioning, config }) => ({
    versioning,
    config: { ...config, publicAccessBlock },
  }))
  return emptyReply(200)
}

/** DeletePublicAccessBlock: nothing is refused because it is public, from now on. */
export const deletePublicAccessBlock: Operation = async (request, context) => {
  await updateBucket(context, bucketOf(request), ({ versioning, config: { publicAccessBlock: _, ...config } }) => ({
    versioning,
    config,
  }))
  return emptyReply(204)
}
