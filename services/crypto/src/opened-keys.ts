import type { StoredObjectKey } from '@coffer/contracts'
import { openObjectKey, type SealContext, type Secret } from '@coffer/crypto-core'

interface Opened extends Omit<SealContext, 'encryptionContext'> {
  readonly encryptionContext: SealContext['encryptionContext']
  readonly objectKey: Secret
}

/**
 * Object keys that were opened, by the key that seals them and the stored key they were opened from. Both are known as the very
 * objects in memory, not by name or content: what the metadata store gives again without having read it anew (a hot object)
 * costs no cipher; and what is known goes with whichever of the two is forgotten first. Whether the sealing key may be used
 * is asked before, each time.
 */
export class OpenedKeys {
  readonly #known = new WeakMap<Secret, WeakMap<StoredObjectKey, Opened>>()

  /** The caller's own. As `openObjectKey`. */
  open(stored: StoredObjectKey, sealingKey: Secret, context: SealContext): Secret {
    const known = this.#known.get(sealingKey)?.get(stored)
    if (known !== undefined && isSame(known, context)) return known.objectKey.copy()
    const objectKey = openObjectKey(stored.sealed, sealingKey, context)
    if (stored.isKept) {
      const { bucketId, key, versionId, algorithm, encryptionContext } = context
      const opened = { bucketId, key, versionId, algorithm, encryptionContext, objectKey: objectKey.copy() }
      this.#under(sealingKey).set(stored, opened)
    }
    return objectKey
  }

  #under(sealingKey: Secret): WeakMap<StoredObjectKey, Opened> {
    const known = this.#known.get(sealingKey)
    if (known !== undefined) return known
    const made = new WeakMap<StoredObjectKey, Opened>()
    this.#known.set(sealingKey, made)
    return made
  }
}

function isSame(a: Omit<Opened, 'objectKey'>, b: SealContext): boolean {
  return (
    a.bucketId === b.bucketId &&
    a.key === b.key &&
    a.versionId === b.versionId &&
    a.algorithm === b.algorithm &&
    a.encryptionContext === b.encryptionContext
  )
}
