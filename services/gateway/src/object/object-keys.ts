import type { CryptoService, KeyRecipient, StoredObjectKey } from '@coffer/contracts'
import {
  generateObjectKey,
  openObjectKeyForCustomer,
  type SealContext,
  Secret,
  sealObjectKeyForCustomer,
} from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import { type KmsAttributes, type OpenedVersion, type SseKind, sealContextOf } from '@coffer/object-record'
import { masterKeyNameOf, type SseRequest, s3Error } from '@coffer/s3-protocol'
import { withKeyNamed } from './key-named.ts'
import type { Sealing } from './sealing.ts'

export interface IssuedObjectKey {
  readonly objectKey: Secret
  readonly stored: StoredObjectKey
  /** How it is held, for the object's attributes. */
  readonly held: { readonly sse: SseKind; readonly kms?: KmsAttributes }
}

/**
 * Object keys for the data path: from the crypto service for SSE-S3 and SSE-KMS, or sealed right here under the client's own key for
 * SSE-C, which so never leaves this process.
 */
export class ObjectKeys {
  readonly #mesh: Mesh
  readonly #crypto: CryptoService

  constructor(mesh: Mesh) {
    this.#mesh = mesh
    this.#crypto = mesh.use('crypto')
  }

  async issue(
    sealing: Sealing,
    { bucketId, key, versionId, algorithm }: Omit<SealContext, 'encryptionContext'>,
  ): Promise<IssuedObjectKey> {
    const kms = 'kms' in sealing ? sealing.kms : undefined
    const context = sealContextOf(bucketId, key, { keyContextId: versionId, algorithm, ...(kms && { kms }) })
    if (sealing.kind === 'SSE-C') {
      const objectKey = generateObjectKey(algorithm)
      const sealed = sealObjectKeyForCustomer(objectKey, Secret.copyOf(sealing.key), context)
      return { objectKey, stored: { keyRef: '', sealed }, held: { sse: 'SSE-C' } }
    }
    const masterKey = kms && { keyName: masterKeyNameOf(kms.keyId), bucketKeyEnabled: kms.bucketKeyEnabled }
    const issued = await this.#crypto.issueObjectKey(context, this.#recipient(), masterKey)
    return {
      objectKey: this.#mesh.unparcel(issued.objectKey, 'object-key', context),
      stored: issued.stored,
      held: { sse: sealing.kind, ...(kms && { kms }) },
    }
  }

  /** Opens the key of a stored object; `presented` is what the request says of SSE-C, checked against how it is stored. */
  async open(
    { sse, stored }: { readonly sse: SseKind; readonly stored: StoredObjectKey },
    presented: SseRequest,
    context: SealContext,
  ): Promise<Secret> {
    assertPresentedKeyFits(sse, presented)
    if (presented.kind !== 'SSE-C') {
      const parcel = await this.#crypto.openObjectKey(stored, context, this.#recipient())
      return this.#mesh.unparcel(parcel, 'object-key', context)
    }
    try {
      return openObjectKeyForCustomer(stored.sealed, Secret.copyOf(presented.key), context)
    } catch (error) {
      // AWS answers a wrong client key with 403 and no more: whoever lacks the key learns nothing of the object.
      if (isCofferError(error, 'CRYPTO_WRONG_KEY')) throw s3Error('AccessDenied', { cause: error })
      throw error
    }
  }

  /** The same object key, sealed for another context under the newest version of its master key, or the same key of the client. */
  async reseal(
    { attributes, objectKey: stored }: Pick<OpenedVersion, 'attributes' | 'objectKey'>,
    presented: SseRequest,
    from: SealContext,
    to: SealContext,
  ): Promise<{ readonly stored: StoredObjectKey; readonly kms?: KmsAttributes }> {
    const { sse, kms } = attributes
    assertPresentedKeyFits(sse, presented)
    if (presented.kind === 'SSE-C') {
      const objectKey = await this.open({ sse, stored }, presented, from)
      const sealed = sealObjectKeyForCustomer(objectKey, Secret.copyOf(presented.key), to)
      objectKey.wipe()
      return { stored: { keyRef: '', sealed } }
    }
    const masterKey = kms && { keyName: masterKeyNameOf(kms.keyId), bucketKeyEnabled: kms.bucketKeyEnabled }
    const resealed = await this.#crypto.resealObjectKey(stored, from, to, masterKey)
    return { stored: resealed, ...(kms && { kms: withKeyNamed(kms, resealed) }) }
  }

  #recipient(): KeyRecipient {
    return this.#mesh.recipient()
  }
}

/** S3 API, GetObject: an SSE-C object needs its key on each read, and other objects refuse one. */
export function assertPresentedKeyFits(sse: SseKind, presented: SseRequest): void {
  if (sse === 'SSE-C' && presented.kind !== 'SSE-C') {
    throw s3Error('InvalidRequest', {
      message:
        'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
    })
  }
  if (sse !== 'SSE-C' && presented.kind === 'SSE-C') {
    throw s3Error('InvalidRequest', {
      message: 'The encryption parameters are not applicable to this object.',
    })
  }
}
