import type { VersionBody, VersionRecord, VersionSelector } from '@coffer/metadata-store'
import { type OpenedVersion, openAttributes } from '@coffer/object-record'
import { S3Error, s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { externalVersionId, isVersionId } from './version-id.ts'

/** A version as the metadata service has it. */
export interface FoundVersion {
  readonly version: VersionRecord
  readonly isLatest: boolean
  readonly body?: VersionBody
}

/** The same, its record authenticated and opened. */
export interface FoundObject extends FoundVersion, OpenedVersion {}

/** What `versionId=` in a request means; a text that is no version id of ours names no version. */
export function versionSelectorOf(key: string, versionId: string | undefined): VersionSelector {
  if (versionId === undefined) return 'current'
  if (versionId === 'null') return 'null'
  if (versionId === '') throw s3Error('InvalidArgument', { message: 'Version id cannot be the empty string' })
  if (!isVersionId(versionId)) {
    throw s3Error('InvalidArgument', {
      message: 'Invalid version id specified',
      details: { ArgumentName: 'versionId', ArgumentValue: versionId, Key: key },
    })
  }
  return { versionId }
}

/**
 * The object version that a read names; NoSuchKey, NoSuchVersion, MethodNotAllowed (a delete marker) as AWS answers them. `known`: that very
 * version, where it was found when the request was authorized.
 */
export async function findObject(
  context: GatewayContext,
  bucket: OpenBucket,
  key: string,
  versionId: string | undefined,
  { withBody, known }: { readonly withBody: boolean; readonly known?: FoundVersion | undefined },
): Promise<FoundObject> {
  const which = versionSelectorOf(key, versionId)
  const isEnough = known !== undefined && (known.body !== undefined || !withBody)
  const found = isEnough ? known : await context.metadata.findVersion(bucket.record.id, key, which, { withBody })
  if (found === undefined) {
    if (which === 'current') throw s3Error('NoSuchKey', { details: { Key: key } })
    throw s3Error('NoSuchVersion', { details: { Key: key, VersionId: versionId ?? '' } })
  }
  const opened = openAttributes(bucket.metadataKey, bucket.record.id, found.version)
  assertNamedVersion(found.version, which)
  if (found.version.isDeleteMarker) throw deleteMarkerError(found.version, which)
  return { ...found, ...opened }
}

/** The key's current object, or undefined where there is none or a delete marker stands: for conditional writes. */
export async function findCurrentObject(
  context: GatewayContext,
  bucket: OpenBucket,
  key: string,
): Promise<FoundObject | undefined> {
  return await findObjectIfThere(context, bucket, key, undefined)
}

/** The same of the version that is named. InvalidArgument. */
export async function findObjectIfThere(
  context: Pick<GatewayContext, 'metadata'>,
  bucket: OpenBucket,
  key: string,
  versionId: string | undefined,
): Promise<FoundObject | undefined> {
  const which = versionSelectorOf(key, versionId)
  const found = await context.metadata.findVersion(bucket.record.id, key, which, { withBody: false })
  if (found === undefined || found.version.isDeleteMarker) return undefined
  return { ...found, ...openAttributes(bucket.metadataKey, bucket.record.id, found.version) }
}

/** The store's answer is authenticated, but is it the answer to this question? */
function assertNamedVersion(version: VersionRecord, which: VersionSelector): void {
  const fits = which === 'current' || (which === 'null' ? version.isNull : version.versionId === which.versionId)
  if (!fits) throw s3Error('InternalError')
}

/**
 * Of tags and access control lists: a delete marker that is the newest is no absent object there, but one that has none (recorded of AWS by
 * LocalStack, test_object_tagging_versioned and test_put_object_acl_on_delete_marker).
 */
export function notOfMarker(method: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof S3Error) || error.headers['x-amz-delete-marker'] === undefined) throw error
    const headers = { ...error.headers, allow: 'DELETE' }
    throw s3Error('MethodNotAllowed', { details: { Method: method, ResourceType: 'DeleteMarker' }, headers })
  }
}

function deleteMarkerError(marker: VersionRecord, which: VersionSelector) {
  const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': externalVersionId(marker) }
  if (which === 'current') return s3Error('NoSuchKey', { details: { Key: marker.key }, headers })
  return s3Error('MethodNotAllowed', {
    details: { Method: 'GET', ResourceType: 'DeleteMarker' },
    headers: { ...headers, allow: 'DELETE' },
  })
}
