import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { isNotFound, isRefusedPrecondition } from './s3-errors.ts'

const OWNER_BYTES_MAX = 128

/** Whose the prefix is; undefined: nobody's. */
export async function readOwner(client: S3Client, bucket: string, key: string): Promise<string | undefined> {
  const reply = await client
    .send(new GetObjectCommand({ Bucket: bucket, Key: key, Range: `bytes=0-${OWNER_BYTES_MAX - 1}` }))
    .catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
  return (await reply?.Body?.transformToString())?.trim()
}

/** Takes the prefix unless it is somebody's; returns whose it is now. */
export async function claimOwner(client: S3Client, bucket: string, key: string, owner: string): Promise<string> {
  try {
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: owner, IfNoneMatch: '*' }))
    return owner
  } catch (error) {
    if (!isRefusedPrecondition(error)) throw error
    return (await readOwner(client, bucket, key)) ?? owner
  }
}
