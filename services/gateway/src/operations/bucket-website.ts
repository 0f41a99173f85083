import { parseWebsiteConfiguration, renderWebsiteConfiguration, s3Error } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** Fifty rules with keys of 1,024 bytes. */
const DOCUMENT_BYTES_MAX = 1024 * 1024

/** GetBucketWebsite. NoSuchWebsiteConfiguration. */
export const getBucketWebsite: Operation = async (request) => {
  const { website } = bucketOf(request).config
  if (website === undefined) throw s3Error('NoSuchWebsiteConfiguration')
  return xmlReply(renderWebsiteConfiguration(website))
}

/** PutBucketWebsite. It lets nobody in: what a website shows has to be public by policy or ACL. */
export const putBucketWebsite: Operation = async (request, context) => {
  const website = parseWebsiteConfiguration(await collectDocument(request, DOCUMENT_BYTES_MAX))
  await updateBucket(context, bucketOf(request), ({ versioning, config }) => ({
    versioning,
    config: { ...config, website },
  }))
  return emptyReply(200)
}

/** DeleteBucketWebsite. */
export const deleteBucketWebsite: Operation = async (request, context) => {
  await updateBucket(context, bucketOf(request), ({ versioning, config: { website: _, ...config } }) => ({
    versioning,
    config,
  }))
  return emptyReply(204)
}
