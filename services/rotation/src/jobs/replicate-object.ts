import { invariant } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import { openBucketRecord, planLateReplication, replaceObjectKey } from '@coffer/object-record'
import type { FoundVersion, ObjectChange } from './object-change.ts'

/**
 * Has the newest version of each key replicated that its bucket's rules are about and that is at a destination not yet: it was
 * there before them, or has failed. Older versions would take the place of newer ones there.
 */
export class LateReplication implements ObjectChange {
  readonly needsBody = 'never'
  readonly #mesh: Mesh

  constructor(mesh: Mesh) {
    this.#mesh = mesh
  }

  isDue(found: FoundVersion): boolean {
    return planOf(found) !== undefined
  }

  async apply(found: FoundVersion): Promise<void> {
    const plan = planOf(found)
    invariant(plan !== undefined, 'a version that is due has a plan')
    const { bucket, metadataKey, version, attributes, objectKey } = found
    await this.#mesh.use('metadata').replaceObjectKey({
      bucketId: bucket.id,
      key: version.key,
      versionId: version.versionId,
      expectedSealed: version.sealed,
      keyRef: version.keyRef,
      sealed: replaceObjectKey(metadataKey, bucket.id, version, { ...attributes, replication: plan.state }, objectKey),
      events: plan.events,
    })
  }
}

function planOf({ bucket, metadataKey, version, isLatest, attributes }: FoundVersion) {
  if (!isLatest) return undefined
  const { replication } = openBucketRecord(metadataKey, bucket)
  return replication && planLateReplication({ record: bucket, metadataKey }, replication, version, attributes)
}
