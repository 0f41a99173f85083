import type { VersionId } from '@coffer/metadata-store'
import { etagOf } from '@coffer/object-record'
import { s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { findCurrentObject } from './find-object.ts'

/** If-Match and If-None-Match of a write (S3 API, "conditional writes"). */
export interface WriteCondition {
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: string | undefined
}

export function writeConditionOf(headers: Readonly<Record<string, string | undefined>>): WriteCondition | undefined {
  const condition = { ifMatch: headers['if-match'], ifNoneMatch: headers['if-none-match'] }
  return condition.ifMatch === undefined && condition.ifNoneMatch === undefined ? undefined : condition
}

/**
 * Evaluates the condition against the current object and returns what the commit must still find, so that no write can
 * come between. PreconditionFailed; NoSuchKey for If-Match where there is no object.
 */
export async function resolveCondition(
  context: GatewayContext,
  bucket: OpenBucket,
  key: string,
  condition: WriteCondition,
): Promise<VersionId | 'none'> {
  const current = await findCurrentObject(context, bucket, key)
  if (condition.ifMatch !== undefined) {
    if (current === undefined) throw s3Error('NoSuchKey', { details: { Key: key } })
    if (!matches(condition.ifMatch, etagOf(current.attributes))) {
      throw s3Error('PreconditionFailed', { details: { Condition: 'If-Match' } })
    }
  }
  if (condition.ifNoneMatch !== undefined && current !== undefined) {
    if (matches(condition.ifNoneMatch, etagOf(current.attributes))) {
      throw s3Error('PreconditionFailed', { details: { Condition: 'If-None-Match' } })
    }
  }
  return current?.version.versionId ?? 'none'
}

/** A list of entity tags, quoted or (as S3 allows) not, or `*`. */
function matches(header: string, etag: string): boolean {
  const wanted = etag.replaceAll('"', '')
  return header.split(',').some((tag) => {
    const bare = tag.trim().replaceAll('"', '')
    return bare === '*' || bare === wanted
  })
}
