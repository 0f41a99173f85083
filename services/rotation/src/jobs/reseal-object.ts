import type { Mesh } from '@coffer/mesh'
import { replaceObjectKey, sealContextOf } from '@coffer/object-record'
import type { SealingTarget } from './job-requests.ts'
import { isPossible, newSealing } from './new-sealing.ts'
import type { FoundVersion, ObjectChange } from './object-change.ts'

/** The same object key, sealed under another master key or the newest version of its own: UpdateObjectEncryption for many. No data moves. */
export class ObjectReseal implements ObjectChange {
  readonly needsBody = 'never'
  readonly #mesh: Mesh
  readonly #target: SealingTarget | undefined

  constructor(mesh: Mesh, target: SealingTarget | undefined) {
    this.#mesh = mesh
    this.#target = target
  }

  /** Wherever it is possible: done twice it is the same. */
  isDue({ attributes }: FoundVersion): boolean {
    return isPossible(attributes, this.#target)
  }

  async apply({ bucket, metadataKey, version, attributes, objectKey }: FoundVersion): Promise<void> {
    const { key, versionId } = version
    const sealing = newSealing(attributes, this.#target)
    const from = sealContextOf(bucket.id, key, attributes)
    const to = sealContextOf(bucket.id, key, sealing.attributes)
    const stored = await this.#mesh.use('crypto').resealObjectKey(objectKey, from, to, sealing.masterKey)
    await this.#mesh.use('metadata').replaceObjectKey({
      bucketId: bucket.id,
      key,
      versionId,
      expectedSealed: version.sealed,
      keyRef: stored.keyRef,
      sealed: replaceObjectKey(metadataKey, bucket.id, version, sealing.attributes, stored),
    })
  }
}
