import type { MetadataKey } from '@coffer/crypto-core'
import type { Mesh } from '@coffer/mesh'
import { openAttributes, type ReplicationTask } from '@coffer/object-record'
import type { ReplicatedVersion } from './sent-object.ts'

export interface TaskPlace {
  readonly bucket: { readonly name: string; readonly id: string }
  readonly metadataKey: MetadataKey
  readonly task: ReplicationTask
}

/** The version that a task is about, as it is now; undefined: there is none any more. */
export async function findVersion(
  mesh: Mesh,
  { bucket, metadataKey, task }: TaskPlace,
  withBody: boolean,
): Promise<ReplicatedVersion | undefined> {
  const { key, versionId } = task
  const found = await mesh.use('metadata').findVersion(bucket.id, key, { versionId }, { withBody })
  if (found === undefined || found.version.isDeleteMarker) return undefined
  const { body = { kind: 'none' } } = found
  const opened = openAttributes(metadataKey, bucket.id, found.version)
  const { version, isLatest } = found
  return { bucketId: bucket.id, metadataKey, version, isLatest, body, ...opened }
}
