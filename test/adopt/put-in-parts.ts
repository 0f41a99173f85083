import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'

const PART_BYTES = 5 * 2 ** 20

/** An object uploaded in parts of 5 MiB, with the checksums of the SDK or those that are named. */
export async function putInParts(
  s3: S3Client,
  place: { readonly Bucket: string; readonly Key: string },
  body: Buffer,
  ChecksumAlgorithm?: 'SHA256',
): Promise<void> {
  const checksum = ChecksumAlgorithm && { ChecksumAlgorithm }
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...place, ...checksum }))
  const Parts = []
  for (let PartNumber = 1; (PartNumber - 1) * PART_BYTES < body.length; PartNumber++) {
    const Body = body.subarray((PartNumber - 1) * PART_BYTES, PartNumber * PART_BYTES)
    const part = await s3.send(new UploadPartCommand({ ...place, ...checksum, UploadId, PartNumber, Body }))
    Parts.push({ PartNumber, ETag: part.ETag, ...(ChecksumAlgorithm && { ChecksumSHA256: part.ChecksumSHA256 }) })
  }
  await s3.send(new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload: { Parts } }))
}
