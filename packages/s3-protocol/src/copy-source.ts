import { invalidArgument } from './errors.ts'
import { assertKey } from './request.ts'

export interface CopySourceName {
  readonly bucket: string
  readonly key: string
  readonly versionId?: string
}

/**
 * x-amz-copy-source (S3 API, CopyObject): `bucket/key`, URL-encoded, with or without a leading slash, `?versionId=` after.
 * A `+` is a space, as S3 reads it. InvalidArgument, KeyTooLongError.
 */
export function parseCopySource(header: string): CopySourceName {
  const [encodedPath = '', versionId] = splitVersion(header)
  const path = decode(encodedPath, header).replace(/^\//, '')
  const keyAt = path.indexOf('/')
  const bucket = path.slice(0, Math.max(0, keyAt))
  const key = path.slice(keyAt + 1)
  if (bucket === '' || key === '') {
    throw invalidArgument(
      'x-amz-copy-source',
      header,
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
    )
  }
  assertKey(key)
  return { bucket, key, ...(versionId !== undefined && { versionId }) }
}

function splitVersion(header: string): [path: string, versionId?: string] {
  const at = header.lastIndexOf('?versionId=')
  return at === -1 ? [header] : [header.slice(0, at), decode(header.slice(at + '?versionId='.length), header)]
}

function decode(text: string, header: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw invalidArgument('x-amz-copy-source', header, 'Copy Source must be URL-encoded.')
  }
}
