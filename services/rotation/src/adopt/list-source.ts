import {
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { SourceQuery, SourceVersion } from './source.ts'
import { asSourceError } from './source-errors.ts'

/** What a listing tells of an entry, before it is known to be whole. */
interface Listed {
  readonly Key?: string | undefined
  readonly VersionId?: string | undefined
  readonly LastModified?: Date | undefined
  readonly Size?: number | undefined
  readonly ETag?: string | undefined
}

export async function* listCurrent(
  client: S3Client,
  Bucket: string,
  { prefix, afterKey }: SourceQuery,
): AsyncGenerator<SourceVersion> {
  let token: string | undefined
  do {
    const command = new ListObjectsV2Command({
      Bucket,
      Prefix: prefix,
      EncodingType: 'url',
      ...(token === undefined ? afterKey !== '' && { StartAfter: afterKey } : { ContinuationToken: token }),
    })
    const page = await client.send(command).catch(asThrown)
    const isEncoded = page.EncodingType === 'url'
    for (const listed of page.Contents ?? []) yield versionOf(listed, isEncoded, false)
    token = page.IsTruncated ? page.NextContinuationToken : undefined
  } while (token !== undefined)
}

export async function* listAllVersions(
  client: S3Client,
  Bucket: string,
  { prefix, afterKey }: SourceQuery,
): AsyncGenerator<SourceVersion> {
  let marker: { KeyMarker?: string; VersionIdMarker?: string } | undefined =
    afterKey === '' ? {} : { KeyMarker: afterKey }
  while (marker !== undefined) {
    const command: ListObjectVersionsCommand = new ListObjectVersionsCommand({
      ...{ Bucket, Prefix: prefix, EncodingType: 'url' },
      ...marker,
    })
    const page: ListObjectVersionsCommandOutput = await client.send(command).catch(asThrown)
    const isEncoded = page.EncodingType === 'url'
    yield* inOrder([
      ...(page.Versions ?? []).map((listed) => versionOf(listed, isEncoded, false)),
      ...(page.DeleteMarkers ?? []).map((listed) => versionOf(listed, isEncoded, true)),
    ])
    const { NextKeyMarker, NextVersionIdMarker } = page
    const isLast = !page.IsTruncated || NextKeyMarker === undefined
    marker = isLast
      ? undefined
      : {
          KeyMarker: isEncoded ? decoded(NextKeyMarker) : NextKeyMarker,
          ...(NextVersionIdMarker !== undefined && { VersionIdMarker: NextVersionIdMarker }),
        }
  }
}

/**
 * By key, and the newest of a key first: the SDK gives a page's delete markers apart from its versions. Of two of the same moment
 * (AWS tells seconds) the delete marker counts as the newer one.
 */
function inOrder(entries: readonly SourceVersion[]): SourceVersion[] {
  const keys = new Map(entries.map(({ key }) => [key, Buffer.from(key)]))
  const bytesOf = (key: string) => keys.get(key) ?? Buffer.alloc(0)
  return entries.toSorted(
    (a, b) =>
      Buffer.compare(bytesOf(a.key), bytesOf(b.key)) ||
      b.lastModifiedAt - a.lastModifiedAt ||
      Number(b.isDeleteMarker) - Number(a.isDeleteMarker),
  )
}

function versionOf(
  { Key = '', VersionId, LastModified, Size = 0, ETag = '' }: Listed,
  isEncoded: boolean,
  isDeleteMarker: boolean,
): SourceVersion {
  return {
    key: isEncoded ? decoded(Key) : Key,
    ...(VersionId !== undefined && { versionId: VersionId }),
    isDeleteMarker,
    lastModifiedAt: LastModified?.getTime() ?? 0,
    sizeBytes: Size,
    etag: ETag.replaceAll('"', ''),
  }
}

/** S3 API, ListObjectsV2, encoding-type: as in a query, where a plus is a space. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

function asThrown(error: unknown): never {
  throw asSourceError(error)
}
