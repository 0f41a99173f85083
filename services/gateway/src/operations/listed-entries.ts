import type { ListedVersion } from '@coffer/metadata-store'
import { openSummaries } from '@coffer/object-record'
import type { ListedObject, Owner } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'

/** Shown instead of an ETag that can't be authenticated: one damaged record never fails a page, nor shows wrong bytes. */
const DAMAGED_ETAG = '"damaged"'

/** Listing entries as S3 shows them: a page's ETags are opened with one cipher call. */
export function listEntries(
  context: GatewayContext,
  bucket: OpenBucket,
  versions: readonly ListedVersion[],
  { owner }: { readonly owner?: Owner },
): ListedObject[] {
  const summaries = openSummaries(bucket.metadataKey, bucket.record.id, versions)
  return versions.map((version, index) => {
    const summary = summaries[index]
    const damaged = summary === undefined || summary instanceof Error
    if (damaged) logDamage(context, bucket, version)
    return {
      key: version.key,
      lastModifiedAt: version.lastModifiedAt,
      sizeBytes: version.sizeBytes,
      ...(damaged ? { etag: DAMAGED_ETAG } : summary),
      ...(owner && { owner }),
    }
  })
}

function logDamage(context: GatewayContext, bucket: OpenBucket, version: ListedVersion): void {
  const details = { bucket: bucket.record.name, key: version.key, versionId: version.versionId }
  context.options.logger.error({ audit: 'integrity', details }, 'a listed record is damaged')
}
