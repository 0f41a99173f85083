import type { VersionSelector } from '@coffer/metadata-store'
import { isLocked, type ObjectAttributes, openAttributes } from '@coffer/object-record'
import {
  asksForBypass,
  type ObjectLock,
  type ObjectLockConfiguration,
  parseObjectLockHeaders,
  retentionFrom,
  s3Error,
} from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { assertAlsoAllowed, isAlsoAllowed } from '../steps/permission.ts'

/** InvalidRequest in a bucket without Object Lock. */
export function objectLockOf({ config }: OpenBucket): ObjectLockConfiguration {
  if (config.objectLock !== undefined) return config.objectLock
  throw s3Error('InvalidRequest', { message: 'Bucket is missing Object Lock Configuration' })
}

/** The lock that the headers of a write ask for; undefined: none of its own. InvalidRequest, InvalidArgument, AccessDenied. */
export function requestedLock(request: AuthorizedRequest, bucket: OpenBucket): ObjectLock | undefined {
  const lock = parseObjectLockHeaders(request.parsed.headers, Date.now())
  if (lock === undefined) return undefined
  objectLockOf(bucket)
  if (lock.retention !== undefined) assertAlsoAllowed(request, 's3:PutObjectRetention')
  if (lock.legalHold !== undefined) assertAlsoAllowed(request, 's3:PutObjectLegalHold')
  return lock
}

/** Whether the request passes over governance retention: it says so, and who makes it may. */
export function bypassesGovernance(request: AuthorizedRequest, key = request.parsed.key): boolean {
  return asksForBypass(request.parsed.headers) && isAlsoAllowed(request, 's3:BypassGovernanceRetention', key)
}

/** What a new version says of itself: a bucket's default retention where it brings none. */
export function withDefaultRetention(
  attributes: ObjectAttributes,
  { config }: OpenBucket,
  lastModifiedAt: number,
): ObjectAttributes {
  const byDefault = config.objectLock?.defaultRetention
  if (byDefault === undefined || attributes.lock?.retention !== undefined) return attributes
  return { ...attributes, lock: { ...attributes.lock, retention: retentionFrom(byDefault, lastModifiedAt) } }
}

/**
 * The record of a version that may be removed, as it was when it was looked at: the removal must find it unchanged, so that no
 * lock can come between. Undefined where nothing can be locked. AccessDenied.
 */
export async function assertRemovable(
  context: GatewayContext,
  { record, config, metadataKey }: OpenBucket,
  key: string,
  which: VersionSelector,
  bypassGovernance: boolean,
): Promise<Uint8Array | undefined> {
  if (config.objectLock === undefined) return undefined
  const found = await context.metadata.findVersion(record.id, key, which, { withBody: false })
  if (found === undefined) return undefined
  const { attributes } = openAttributes(metadataKey, record.id, found.version)
  if (isLocked(attributes.lock, Date.now(), { bypassGovernance })) throw lockedError()
  return found.version.sealed
}

export function lockedError() {
  return s3Error('AccessDenied', { message: 'Access Denied because object protected by object lock.' })
}
