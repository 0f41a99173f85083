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
    const kinds = kindsOf(command)
    const page: ListObjectVersionsCommandOutput = await client.send(command).catch(asThrown)
    const isEncoded = page.EncodingType === 'url'
    const versions = (page.Versions ?? []).map((listed) => versionOf(listed, isEncoded, false)).values()
    const markers = (page.DeleteMarkers ?? []).map((listed) => versionOf(listed, isEncoded, true)).values()
    for (const kind of kinds) {
      const { value } = (kind === 'DeleteMarker' ? markers : versions).next()
      if (value !== undefined) yield value
    }
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
 * What each entry of the page is, in the order of the document, filled in by the time it is answered: the newest of a key is first. The SDK gives
 * a page's delete markers apart from its versions, and times, which are of whole seconds, do not put them together again.
 */
function kindsOf(command: ListObjectVersionsCommand): readonly string[] {
  const kinds: string[] = []
  command.middlewareStack.add(
    (next) => async (request) => {
      const result = await next(request)
      const response = result.response as { body: AsyncIterable<Uint8Array> | Uint8Array }
      const body = Buffer.concat(await Array.fromAsync(response.body as AsyncIterable<Uint8Array>))
      response.body = body
      // Of an answer that is tried again only the last counts. No text has a "<" of its own.
      kinds.splice(
        0,
        Infinity,
        ...Array.from(body.toString().matchAll(/<(Version|DeleteMarker)>/g), ([, kind = '']) => kind),
      )
      return result
    },
    { step: 'deserialize', priority: 'low' },
  )
  return kinds
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
