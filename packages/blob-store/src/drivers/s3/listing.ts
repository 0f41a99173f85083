import { ListMultipartUploadsCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3'

export interface ListedObject {
  readonly key: string
  readonly sizeBytes: number
  readonly modifiedAt: number
}

/** A page in memory at a time; keys in ascending order (S3 API, ListObjectsV2). */
export async function* listObjects(client: S3Client, bucket: string, prefix: string): AsyncGenerator<ListedObject> {
  let token: string | undefined
  do {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        ...(token !== undefined && { ContinuationToken: token }),
      }),
    )
    for (const { Key, Size, LastModified } of page.Contents ?? []) {
      if (Key !== undefined) yield { key: Key, sizeBytes: Size ?? 0, modifiedAt: LastModified?.getTime() ?? Date.now() }
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined
  } while (token !== undefined)
}

export interface ListedUpload {
  readonly key: string
  readonly uploadId: string
}

/** Unfinished uploads below a prefix. */
export async function* listUploads(client: S3Client, bucket: string, prefix: string): AsyncGenerator<ListedUpload> {
  let after: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {}
  while (after !== undefined) {
    const page: Awaited<ReturnType<typeof uploadsPage>> = await uploadsPage(client, {
      Bucket: bucket,
      Prefix: prefix,
      ...after,
    })
    for (const { Key, UploadId } of page.Uploads ?? []) {
      if (Key !== undefined && UploadId !== undefined) yield { key: Key, uploadId: UploadId }
    }
    after =
      page.IsTruncated === true && page.NextKeyMarker !== undefined
        ? { KeyMarker: page.NextKeyMarker, ...(page.NextUploadIdMarker && { UploadIdMarker: page.NextUploadIdMarker }) }
        : undefined
  }
}

function uploadsPage(
  client: S3Client,
  input: { Bucket: string; Prefix: string; KeyMarker?: string; UploadIdMarker?: string },
) {
  return client.send(new ListMultipartUploadsCommand(input))
}
