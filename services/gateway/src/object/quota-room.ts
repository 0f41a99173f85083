import { isCofferError } from '@coffer/errors'
import type { VersionRecord } from '@coffer/metadata-store'
import type { Payload } from '../body/payload.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { FoundUpload } from './upload.ts'

interface Added {
  readonly versionCount: number
  readonly sizeBytes: number
}

/**
 * Refuses a large body before it is read where its commit would be refused for a quota. The commit decides: a small body is
 * read at once, and pays nothing for this. META_QUOTA_EXCEEDED.
 */
export async function assertRoomForObject(
  context: GatewayContext,
  bucket: OpenBucket,
  key: string,
  payload: Pick<Payload, 'sizeBytes'>,
): Promise<void> {
  if (!isLarge(context, payload)) return
  await assertRoom(context, bucket, { versionCount: 1, sizeBytes: sizeOf(payload) }, async () => {
    if (bucket.record.versioning === 'enabled') return undefined
    const replaced = await context.metadata.findVersion(bucket.record.id, key, 'null', { withBody: false })
    return replaced && usageOf(replaced.version)
  })
}

/** The same for a part. */
export async function assertRoomForPart(
  context: GatewayContext,
  bucket: OpenBucket,
  { record: { key, uploadId } }: FoundUpload,
  { partNumber, payload }: { readonly partNumber: number; readonly payload: Pick<Payload, 'sizeBytes'> },
): Promise<void> {
  if (!isLarge(context, payload)) return
  await assertRoom(context, bucket, { versionCount: 0, sizeBytes: sizeOf(payload) }, async () => {
    const query = { bucketId: bucket.record.id, key, uploadId, afterPartNumber: partNumber - 1, limit: 1 }
    const [part] = (await context.metadata.listParts(query)).parts
    return part?.partNumber === partNumber ? { versionCount: 0, sizeBytes: part.sizeBytes } : undefined
  })
}

/** `replacedOf`: what the write takes away; asked only where there would be no room without that. */
async function assertRoom(
  { metadata }: GatewayContext,
  { record }: OpenBucket,
  added: Added,
  replacedOf: () => Promise<Added | undefined>,
): Promise<void> {
  try {
    await metadata.checkQuotas(record.id, added)
  } catch (error) {
    if (!isCofferError(error, 'META_QUOTA_EXCEEDED')) throw error
    const replaced = await replacedOf()
    if (replaced === undefined) throw error
    await metadata.checkQuotas(record.id, {
      versionCount: added.versionCount - replaced.versionCount,
      sizeBytes: added.sizeBytes - replaced.sizeBytes,
    })
  }
}

function isLarge({ options }: GatewayContext, { sizeBytes }: Pick<Payload, 'sizeBytes'>): boolean {
  return sizeBytes === undefined || sizeBytes > options.inlineSizeBytesMax
}

/** A form does not say how large its file is: then it is asked whether there is any room at all. */
function sizeOf({ sizeBytes = 1 }: Pick<Payload, 'sizeBytes'>): number {
  return sizeBytes
}

function usageOf({ isDeleteMarker, sizeBytes }: VersionRecord): Added {
  return { versionCount: isDeleteMarker ? 0 : 1, sizeBytes }
}
