import { randomBytes } from 'node:crypto'
import { type BucketLogging, s3Error } from '@coffer/s3-protocol'
import { CopyPayload } from '../body/copy-payload.ts'
import { storeBody } from '../body/store-body.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { commitObject } from '../object/commit-object.ts'
import { discardUncommitted } from '../object/discard-garbage.ts'
import { newObjectBody } from '../object/object-body.ts'
import { dataAlgorithmOf, defaultSealing } from '../object/sealing.ts'
import { newVersionId } from '../object/version-id.ts'

interface LogSource {
  readonly bucket: string
  readonly ownerAccountId: string
  readonly region: string
}

/** Puts a log object into the target bucket, encrypted as that bucket says. NoSuchBucket; AccessDenied for another account's. */
export async function deliverLog(
  context: GatewayContext,
  logging: BucketLogging,
  source: LogSource,
  { text, beganAtMs }: { readonly text: string; readonly beganAtMs: number },
): Promise<void> {
  const bucket = await context.buckets.find(logging.targetBucket)
  if (bucket === undefined) throw s3Error('NoSuchBucket')
  if (bucket.record.ownerAccountId !== source.ownerAccountId) throw s3Error('AccessDenied')
  const nowMs = Date.now()
  const key = logKey(logging, source, { beganAtMs, nowMs })
  const sealing = await defaultSealing(bucket, context.keyGuards)
  const sizeBytes = Buffer.byteLength(text)
  const payload = new CopyPayload({ body: text }, { sizeBytes, md5: sealing.kind === 'SSE-S3' })
  const versionId = newVersionId(nowMs)
  const algorithm = dataAlgorithmOf(sealing, context)
  const issued = await context.objectKeys.issue(sealing, { bucketId: bucket.record.id, key, versionId, algorithm })
  const stored = await storeBody(payload, { objectKey: issued.objectKey, algorithm, partNumber: 0 }, context, {
    inlineSizeBytesMax: context.options.inlineSizeBytesMax,
  })
  issued.objectKey.wipe()
  const headers = { standard: { 'content-type': 'text/plain' }, user: {} }
  const held = { ...issued.held, algorithm, keyContextId: versionId, headers }
  const { attributes, bodyOf, blobIds } = newObjectBody(bucket, key, stored, held)
  try {
    const draft = { key, versionId, sizeBytes, attributes, objectKey: issued.stored, bodyOf }
    await commitObject(context, bucket, { ...draft, eventName: 's3:ObjectCreated:Put' })
  } catch (error) {
    discardUncommitted(context, blobIds, error)
    throw error
  }
}

/** S3 User Guide, "Logging requests with server access logging", log object key format. */
function logKey(
  { targetPrefix, partitionedBy }: BucketLogging,
  { ownerAccountId, region, bucket }: LogSource,
  { beganAtMs, nowMs }: { readonly beganAtMs: number; readonly nowMs: number },
): string {
  const stamp = (atMs: number) => new Date(atMs).toISOString().slice(0, 19).replaceAll(/[T:]/g, '-')
  const unique = randomBytes(8).toString('hex').toUpperCase()
  if (partitionedBy === undefined) return `${targetPrefix}${stamp(nowMs)}-${unique}`
  const day = new Date(partitionedBy === 'EventTime' ? beganAtMs : nowMs).toISOString().slice(0, 10)
  return `${targetPrefix}${ownerAccountId}/${region}/${bucket}/${day.replaceAll('-', '/')}/${stamp(nowMs)}-${unique}`
}
