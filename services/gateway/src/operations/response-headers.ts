import { etagOf, type ObjectAttributes, replicationStatusOf, type StoredChecksum } from '@coffer/object-record'
import {
  httpDate,
  objectLockHeaders,
  objectResponseHeaders,
  type ParsedRequest,
  storageClassHeader,
} from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { FoundObject } from '../object/find-object.ts'
import { type PresentedSse, sseHeaders } from '../object/sse-headers.ts'
import { externalVersionId } from '../object/version-id.ts'
import { expirationHeaders } from './lifecycle-headers.ts'

type Headers = Record<string, string | number>

export function etagHeader(attributes: Pick<ObjectAttributes, 'etagHex' | 'partCount'>): Headers {
  return { etag: etagOf(attributes) }
}

/** x-amz-version-id: absent while the bucket has never been versioned (S3 API, PutObject). */
export function versionHeader(
  bucket: OpenBucket,
  version: { readonly versionId: string; readonly isNull: boolean },
): Headers {
  return bucket.record.versioning === 'unversioned' ? {} : { 'x-amz-version-id': externalVersionId(version) }
}

/** The same of a version that was just written: the null version of a suspended bucket is not named (S3 API, PutObject, examples). */
export function writtenVersionHeader(
  bucket: OpenBucket,
  version: { readonly versionId: string; readonly isNull: boolean },
): Headers {
  return version.isNull ? {} : versionHeader(bucket, version)
}

export function checksumHeaders(checksum: StoredChecksum | undefined): Headers {
  if (checksum === undefined) return {}
  return {
    [`x-amz-checksum-${checksum.algorithm.toLowerCase()}`]: checksum.value,
    'x-amz-checksum-type': checksum.type,
  }
}

function replicationHeader({ replication }: ObjectAttributes): Headers {
  const status = replicationStatusOf(replication)
  return status === undefined ? {} : { 'x-amz-replication-status': status }
}

/** x-amz-checksum-mode (S3 API, GetObject). */
export function wantsChecksum({ headers }: Pick<ParsedRequest, 'headers'>): boolean {
  return headers['x-amz-checksum-mode']?.toUpperCase() === 'ENABLED'
}

/** The headers that GetObject and HeadObject share, but for length and range. */
export function objectHeaders(
  request: Pick<ParsedRequest, 'headers' | 'query'>,
  bucket: OpenBucket,
  object: FoundObject,
  presented: PresentedSse,
): Headers {
  // The checksum is that of the whole object: with a part of it, a client would find it wrong.
  const whole = request.headers.range === undefined && !request.query.has('partNumber')
  return {
    ...objectResponseHeaders(object.attributes.headers),
    ...etagHeader(object.attributes),
    'last-modified': httpDate(object.version.lastModifiedAt),
    'accept-ranges': 'bytes',
    ...sseHeaders(object.attributes, presented),
    ...storageClassHeader(object.attributes.storageClass),
    ...versionHeader(bucket, object.version),
    ...replicationHeader(object.attributes),
    ...objectLockHeaders(object.attributes.lock),
    ...(object.isLatest && expirationHeaders(bucket, object.version, object.attributes)),
    ...(whole && wantsChecksum(request) && checksumHeaders(object.attributes.checksum)),
    // S3 API, HeadObject: only for a request that names a part.
    ...(request.query.has('partNumber') &&
      object.attributes.partCount && { 'x-amz-mp-parts-count': object.attributes.partCount }),
  }
}
