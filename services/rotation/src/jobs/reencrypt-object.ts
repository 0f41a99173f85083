import { type BlobStore, storeOf } from '@coffer/blob-store'
import { type DataAlgorithm, DUAL_LAYER_ALGORITHM, type Secret, type SingleLayerAlgorithm } from '@coffer/crypto-core'
import { invariant, isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import type { BlobRef, VersionBody, WriterId } from '@coffer/metadata-store'
import {
  type ManifestPart,
  type OpenedBody,
  openBlobs,
  openInline,
  openManifest,
  type PlainStream,
  type StreamIdentity,
  sealInline,
  sealManifest,
  sealToBlob,
} from '@coffer/object-body'
import { type ObjectAttributes, replaceObjectKey, sealContextOf } from '@coffer/object-record'
import type { SealingTarget } from './job-requests.ts'
import { isPossible, newSealing } from './new-sealing.ts'
import type { FoundVersion, ObjectChange } from './object-change.ts'
import { objectKeyTime } from './object-filter.ts'
import type { RateLimit } from './rate-limit.ts'

export interface ReencryptionOptions {
  readonly mesh: Mesh
  readonly blobs: BlobStore
  /** Registered: what it leaves unfinished is garbage once it is retired. */
  readonly writerId: WriterId
  /** Absent: that of each object. Objects with two layers keep theirs. */
  readonly algorithm?: SingleLayerAlgorithm | undefined
  readonly target?: SealingTarget | undefined
  /** Object keys made since are new enough, milliseconds since 1970. */
  readonly dueBefore: number
  readonly bytesRate: RateLimit
}

type Blobs = Extract<VersionBody, { kind: 'blobs' }>

/** A new object key, and all data encrypted anew under it: what was sealed under the old key is gone. */
export class ObjectReencryption implements ObjectChange {
  readonly needsBody = 'to-apply'
  readonly #options: ReencryptionOptions

  constructor(options: ReencryptionOptions) {
    this.#options = options
  }

  isDue({ version, attributes }: FoundVersion): boolean {
    const { target, dueBefore } = this.#options
    return objectKeyTime(version, attributes) < dueBefore && isPossible(attributes, target)
  }

  async apply(found: FoundVersion, signal: AbortSignal): Promise<void> {
    const { bucket, version, attributes, objectKey: stored } = found
    const { mesh, target } = this.#options
    const crypto = mesh.use('crypto')
    const from = sealContextOf(bucket.id, version.key, attributes)
    const sealing = newSealing(attributes, target)
    const algorithm = this.#algorithmOf(attributes)
    const changed = { ...sealing.attributes, algorithm, objectKeyAt: Date.now() }
    const to = sealContextOf(bucket.id, version.key, changed)
    const oldKey = mesh.unparcel(await crypto.openObjectKey(stored, from, mesh.recipient()), 'object-key', from)
    const issued = await crypto.issueObjectKey(to, mesh.recipient(), sealing.masterKey)
    const newKey = mesh.unparcel(issued.objectKey, 'object-key', to)
    try {
      const { body, streamSalt } = await this.#reseal(found, oldKey, { objectKey: newKey, algorithm }, signal)
      const written = { ...changed, ...(streamSalt !== undefined && { streamSalt }) }
      await this.#commit(found, written, { stored: issued.stored, body })
    } finally {
      oldKey.wipe()
      newKey.wipe()
    }
  }

  #algorithmOf({ algorithm }: ObjectAttributes): DataAlgorithm {
    return algorithm === DUAL_LAYER_ALGORITHM ? algorithm : (this.#options.algorithm ?? algorithm)
  }

  async #reseal(
    found: FoundVersion,
    oldKey: Secret,
    stream: Pick<StreamIdentity, 'objectKey' | 'algorithm'>,
    signal: AbortSignal,
  ): Promise<{ body: VersionBody; streamSalt?: string }> {
    const { body, version, attributes } = found
    if (body?.kind === 'blobs') return { body: await this.#resealBlobs(found, body, oldKey, stream, signal) }
    invariant(body?.kind === 'inline', 'an object has a body')
    await this.#options.bytesRate.take(version.sizeBytes, signal)
    const whole = { offsetBytes: 0, lengthBytes: version.sizeBytes }
    const plain = openInline(oldKey, body.bytes, attributes.streamSalt ?? '', whole)
    const sealed = sealInline(plain, { ...stream, partNumber: 0 })
    plain.fill(0)
    return { body: { kind: 'inline', bytes: sealed.bytes }, streamSalt: sealed.salt }
  }

  /** Part by part: a reader that is under way finds the same parts in the new blobs. */
  async #resealBlobs(
    { bucket, metadataKey, version }: FoundVersion,
    body: Blobs,
    oldKey: Secret,
    stream: Pick<StreamIdentity, 'objectKey' | 'algorithm'>,
    signal: AbortSignal,
  ): Promise<VersionBody> {
    const manifest = openManifest(metadataKey, bucket.id, version.key, version.versionId, body.manifest)
    const old: OpenedBody = { objectKey: oldKey, blobs: body.blobs, manifest }
    const blobs: BlobRef[] = []
    const parts: ManifestPart[] = []
    try {
      for (const [index, part] of manifest.entries()) {
        const plain = this.#plainPart(old, index, signal)
        const sealed = await sealToBlob(
          plain,
          part.sizeBytes,
          { ...stream, partNumber: part.number },
          // Where it was: what moves data between stores is another job.
          { ...this.#options, store: storeOf(body.blobs[index]?.blobId ?? '') },
        )
        blobs.push(sealed.blob)
        parts.push({ ...part, salt: sealed.salt })
      }
    } catch (error) {
      await this.#discard(blobs)
      throw error
    }
    return {
      kind: 'blobs',
      blobs,
      manifest: sealManifest(metadataKey, bucket.id, version.key, version.versionId, parts),
    }
  }

  async *#plainPart(old: OpenedBody, index: number, signal: AbortSignal): PlainStream {
    const [blob, part] = [old.blobs[index], old.manifest[index]]
    invariant(blob !== undefined && part !== undefined, 'a part of the manifest has a blob')
    const one: OpenedBody = { objectKey: old.objectKey, blobs: [blob], manifest: [part] }
    for await (const pieces of await openBlobs(this.#options.blobs, one, {
      offsetBytes: 0,
      lengthBytes: part.sizeBytes,
    })) {
      for (const piece of pieces) await this.#options.bytesRate.take(piece.length, signal)
      signal.throwIfAborted()
      yield pieces
    }
  }

  async #commit(
    { bucket, metadataKey, version }: FoundVersion,
    attributes: ObjectAttributes,
    { stored, body }: { stored: { keyRef: string; sealed: Uint8Array }; body: VersionBody },
  ): Promise<void> {
    const metadata = this.#options.mesh.use('metadata')
    try {
      const { garbage } = await metadata.replaceBody({
        bucketId: bucket.id,
        key: version.key,
        versionId: version.versionId,
        expectedSealed: version.sealed,
        keyRef: stored.keyRef,
        sealed: replaceObjectKey(metadataKey, bucket.id, version, attributes, stored),
        body,
      })
      for (const blobId of garbage) await this.#options.blobs.delete(blobId)
      if (garbage.length > 0) await metadata.forgetGarbage(garbage)
    } catch (error) {
      // A certain refusal: nothing refers to the new blobs. After a lost answer something may.
      if (isCofferError(error, 'META_VERSION_CHANGED') && body.kind === 'blobs') await this.#discard(body.blobs)
      throw error
    }
  }

  async #discard(blobs: readonly BlobRef[]): Promise<void> {
    for (const { blobId } of blobs) await this.#options.blobs.delete(blobId)
  }
}
