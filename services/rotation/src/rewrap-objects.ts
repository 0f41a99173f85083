import type { MetadataKey } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import type { KeyUseEntry } from '@coffer/metadata-store'
import { openAttributes, replaceObjectKey, sealContextOf } from '@coffer/object-record'
import { allBuckets } from './key-holders.ts'
import { MetadataKeys } from './metadata-keys.ts'

const PAGE = 1000
/** Objects under way at once: their commits share an fdatasync. */
const CONCURRENCY = 128
const ATTEMPTS_MAX = 8

/** What happened to one object: `gone` and `moot` need nothing more. */
export type ObjectOutcome = { readonly kind: 'rewrapped' | 'moot' } | { readonly kind: 'failed'; readonly code: string }

/** Does one object when it is time for it. */
type Step = (act: () => Promise<boolean>) => Promise<boolean>

/**
 * Rewraps every object that a version of a master key seals by itself, and tells of each. What is done leaves the index, so
 * that a rewrap which is killed finds the rest when it is asked for again.
 */
export class ObjectRewrap {
  readonly #mesh: Mesh
  readonly #toKeyName: string
  readonly #step: Step
  readonly #metadataKeys: MetadataKeys
  #wrappedKeys: Promise<Map<string, Uint8Array>> | undefined

  constructor(mesh: Mesh, toKeyName: string, step: Step) {
    this.#mesh = mesh
    this.#toKeyName = toKeyName
    this.#step = step
    this.#metadataKeys = new MetadataKeys(mesh)
  }

  async *run(keyRef: string): AsyncGenerator<{ entry: KeyUseEntry; outcome: ObjectOutcome }> {
    let after: KeyUseEntry | undefined
    for (;;) {
      const page = await this.#mesh.use('metadata').listKeyUse({ keyRef, after, limit: PAGE })
      for (let start = 0; start < page.length; start += CONCURRENCY) {
        const entries = page.slice(start, start + CONCURRENCY)
        const outcomes = await Promise.all(entries.map((entry) => this.#tryOne(keyRef, entry)))
        for (const [index, entry] of entries.entries()) {
          const outcome = outcomes[index]
          if (outcome !== undefined) yield { entry, outcome }
        }
      }
      after = page.at(-1)
      if (page.length < PAGE) return
    }
  }

  async #tryOne(keyRef: string, entry: KeyUseEntry): Promise<ObjectOutcome> {
    try {
      return { kind: (await this.#step(() => this.#one(keyRef, entry))) ? 'rewrapped' : 'moot' }
    } catch (error) {
      if (!isCofferError(error)) throw error
      return { kind: 'failed', code: error.code }
    }
  }

  /** False: deleted, overwritten or rewrapped by another meanwhile. */
  async #one(keyRef: string, { bucketId, key, versionId }: KeyUseEntry): Promise<boolean> {
    const [metadata, crypto] = [this.#mesh.use('metadata'), this.#mesh.use('crypto')]
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const found = await metadata.findVersion(bucketId, key, { versionId }, { withBody: false })
      if (found?.version.keyRef !== keyRef) return false
      const metadataKey = await this.#metadataKeyOf(bucketId)
      if (metadataKey === undefined) return false
      const { attributes, objectKey } = openAttributes(metadataKey, bucketId, found.version)
      const context = sealContextOf(bucketId, key, attributes)
      const stored = await crypto.rewrapObjectKey(objectKey, context, this.#toKeyName)
      const sealed = replaceObjectKey(metadataKey, bucketId, found.version, attributes, stored)
      const expectedSealed = found.version.sealed
      try {
        await metadata.replaceObjectKey({ bucketId, key, versionId, expectedSealed, keyRef: stored.keyRef, sealed })
        return true
      } catch (error) {
        if (!isCofferError(error, 'META_VERSION_CHANGED')) throw error
      }
    }
    return false
  }

  async #metadataKeyOf(bucketId: string): Promise<MetadataKey | undefined> {
    this.#wrappedKeys ??= this.#findWrappedKeys()
    const wrappedMetadataKey = (await this.#wrappedKeys).get(bucketId)
    return wrappedMetadataKey && this.#metadataKeys.of({ id: bucketId, wrappedMetadataKey })
  }

  async #findWrappedKeys(): Promise<Map<string, Uint8Array>> {
    const wrapped = new Map<string, Uint8Array>()
    for await (const bucket of allBuckets(this.#mesh)) wrapped.set(bucket.id, bucket.wrappedMetadataKey)
    return wrapped
  }
}
