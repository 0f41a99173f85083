import type { VersionId } from '@coffer/metadata-store'
import type { ObjectEvent, ObjectEventName } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { externalVersionId } from './version-id.ts'

/** What an event says of the request that caused it. */
export type EventOrigin = NonNullable<ObjectEvent['request']>

const ANONYMOUS = 'Anonymous'

export function originOf({ principal, sourceIp, requestId, traceparent }: AuthorizedRequest): EventOrigin {
  return {
    principalId: principal === 'anonymous' ? ANONYMOUS : `AWS:${principal.userId}`,
    sourceIp,
    requestId,
    ...(traceparent !== undefined && { traceparent }),
  }
}

/** The event of a version as it is committed. A bucket that never was versioned tells no version ids. */
export function eventOf(
  { record, config }: OpenBucket,
  request: EventOrigin | undefined,
  name: ObjectEventName,
  object: {
    readonly key: string
    readonly version?: { readonly versionId: VersionId; readonly isNull: boolean }
    readonly sizeBytes?: number
    readonly etag?: string
  },
): ObjectEvent {
  const { key, version, sizeBytes, etag } = object
  return {
    at: Date.now(),
    name,
    region: config.region,
    ...(request && { request }),
    bucket: { name: record.name, ownerId: record.ownerAccountId },
    object: {
      key,
      ...(sizeBytes !== undefined && { sizeBytes }),
      ...(etag !== undefined && { etag }),
      ...(version && record.versioning !== 'unversioned' && { versionId: externalVersionId(version) }),
    },
  }
}
