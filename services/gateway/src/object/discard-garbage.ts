import { isCofferError } from '@coffer/errors'
import type { BlobId } from '@coffer/metadata-store'
import { S3Error } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'

/**
 * Deletes blobs that a commit has dropped, in the background. The commit has them on its list of garbage: what fails here
 * the scrubber does later.
 */
export function discardGarbage(context: GatewayContext, blobIds: readonly BlobId[]): void {
  if (blobIds.length === 0) return
  deleteAll(context, blobIds)
    .then(() => context.metadata.forgetGarbage(blobIds))
    .catch((error: unknown) => context.options.logger.warn({ err: error }, 'garbage left to the scrubber'))
}

/** Refusals after which a commit certainly does not stand. After any other failure (a lost answer) it may. */
const CERTAIN_REFUSALS: ReadonlySet<string> = new Set([
  'META_BUCKET_CHANGED',
  'META_PRECONDITION_FAILED',
  'META_VERSION_CHANGED',
  'META_VERSION_NOT_NEWEST',
  'META_UPLOAD_NOT_FOUND',
  'META_UPLOAD_CHANGED',
  'META_WRITER_RETIRED',
  'META_STORE_FULL',
  'META_QUOTA_EXCEEDED',
])

/**
 * Deletes the blob of a write whose commit was refused, only where the refusal is certain: after a lost answer the blob may
 * be referenced. What is left here the scrubber removes once this writer is retired.
 */
export function discardUncommitted(context: GatewayContext, blobIds: readonly BlobId[], error: unknown): void {
  const refused = error instanceof S3Error || (isCofferError(error) && CERTAIN_REFUSALS.has(error.code))
  if (!refused || blobIds.length === 0) return
  deleteAll(context, blobIds).catch((cause: unknown) =>
    context.options.logger.warn({ err: cause }, 'an uncommitted blob is left to the scrubber'),
  )
}

async function deleteAll(context: GatewayContext, blobIds: readonly BlobId[]): Promise<void> {
  for (const blobId of blobIds) await context.options.blobs.delete(blobId)
}
