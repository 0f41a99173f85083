import type { ObjectAttributes } from '@coffer/object-record'
import { expirationHeader, expirationOf, httpDate, uploadAbortOf } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'

type Headers = Record<string, string>

/** x-amz-expiration of a key's current version: when its bucket's rules have it go. */
export function expirationHeaders(
  { config }: OpenBucket,
  object: { readonly key: string; readonly sizeBytes: number; readonly lastModifiedAt: number },
  { headers }: Pick<ObjectAttributes, 'headers'>,
): Headers {
  if (config.lifecycle === undefined) return {}
  const { key, sizeBytes, lastModifiedAt } = object
  const described = { key, sizeBytes, lastModifiedAt, isDeleteMarker: false, tags: headers.tags ?? {} }
  const due = expirationOf(config.lifecycle.rules, described)
  return due === undefined ? {} : { 'x-amz-expiration': expirationHeader(due) }
}

/** x-amz-abort-date and its rule, of CreateMultipartUpload and ListParts. */
export function abortHeaders(
  { config }: OpenBucket,
  upload: { readonly key: string; readonly initiatedAt: number },
): Headers {
  const due = config.lifecycle && uploadAbortOf(config.lifecycle.rules, upload)
  if (due === undefined) return {}
  return { 'x-amz-abort-date': httpDate(due.at), 'x-amz-abort-rule-id': encodeURIComponent(due.ruleId) }
}
