import type { CryptoService, MasterKeyUse, SealedObjectKey, StoredObjectKey } from '@coffer/contracts'
import {
  DUAL_LAYER_ALGORITHM,
  generateObjectKey,
  joinLayers,
  openObjectKey,
  openOuterLayerKey,
  type SealContext,
  type Secret,
  sealObjectKey,
  sealOuterLayerKey,
  splitLayers,
} from '@coffer/crypto-core'
import { bucketKeyRef, isDirectKeyRef, keyNameOf, parseBucketKeyRef, SERVER_KEY_ID, wrappingKeyOf } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import { describeBucketKey, listBucketKeys, rewrapBucketKey } from './bucket-key-records.ts'
import { BucketKeys } from './bucket-keys.ts'
import { decodeDirect, directKeyContext, encodeDirect } from './direct-key.ts'
import { decodeLayers, encodeLayers } from './dual-layer-key.ts'
import { engineError } from './errors.ts'
import { removeBucketKeys, removeLeftBucketKeys } from './left-bucket-keys.ts'
import { MasterKeys } from './master-keys.ts'
import { OpenedKeys } from './opened-keys.ts'
import { rewrapObjectKeys } from './rewrap-object-keys.ts'
import { decodeWrappedKey, encodeWrappedKey } from './wrapped-key.ts'

export interface CryptoServiceOptions {
  readonly mesh: Mesh
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const SERVER_KEY: MasterKeyUse = { keyName: SERVER_KEY_ID, bucketKeyEnabled: true }

/** The crypto engine: object keys sealed under bucket keys or the KMS itself, metadata keys wrapped by the KMS. */
export function createCryptoService(options: CryptoServiceOptions): CryptoService {
  const { mesh } = options
  const kms = mesh.use('kms')
  const metadata = mesh.use('metadata')
  const now = options.now ?? Date.now
  // For how long something is known goes by the monotonic clock: one that is set back makes it no longer.
  const elapsedMs = options.now ?? (() => performance.now())
  const masterKeys = new MasterKeys(kms, elapsedMs)
  const openedKeys = new OpenedKeys()
  const bucketKeys = new BucketKeys({ mesh, kms, metadata, masterKeys, now, elapsedMs })

  const sealUnderBucketKey = async (objectKey: Secret, context: SealContext, keyName: string) => {
    const { id, key, masterKeyName } = await bucketKeys.current(context.bucketId, keyName)
    return { keyRef: bucketKeyRef(id), sealed: sealObjectKey(objectKey, key, context), keyName: masterKeyName }
  }
  const sealDirectly = async (objectKey: Secret, context: SealContext, keyName: string) => {
    const kmsContext = directKeyContext(context)
    const { plaintext, wrapped } = await kms.generateDataKey(keyName, kmsContext, mesh.recipient())
    const dataKey = mesh.unparcel(plaintext, 'data-key', kmsContext)
    try {
      const stored = encodeDirect({ wrapped, sealed: sealObjectKey(objectKey, dataKey, context) })
      return { ...stored, keyName: keyNameOf(wrapped) }
    } finally {
      dataKey.wipe()
    }
  }
  const sealLayers = async (objectKey: Secret, context: SealContext, keyName: string) => {
    const layers = splitLayers(objectKey)
    try {
      const inner = await sealDirectly(layers.inner, context, keyName)
      const { id, key } = await bucketKeys.current(context.bucketId, SERVER_KEY_ID)
      const outer = { keyRef: bucketKeyRef(id), sealed: sealOuterLayerKey(layers.outer, key, context) }
      return { ...encodeLayers({ inner, outer }), keyName: inner.keyName }
    } finally {
      layers.inner.wipe()
      layers.outer.wipe()
    }
  }
  const seal = (
    objectKey: Secret,
    context: SealContext,
    masterKey: MasterKeyUse = SERVER_KEY,
  ): Promise<SealedObjectKey> => {
    if (context.algorithm === DUAL_LAYER_ALGORITHM) return sealLayers(objectKey, context, masterKey.keyName)
    return (masterKey.bucketKeyEnabled ? sealUnderBucketKey : sealDirectly)(objectKey, context, masterKey.keyName)
  }

  const openDirect = async (stored: StoredObjectKey, context: SealContext): Promise<Secret> => {
    const { wrapped, sealed } = decodeDirect(stored)
    const kmsContext = directKeyContext(context)
    const parcel = await kms.decrypt(wrapped, kmsContext, mesh.recipient())
    const dataKey = mesh.unparcel(parcel, 'data-key', kmsContext)
    try {
      return openObjectKey(sealed, dataKey, context)
    } finally {
      dataKey.wipe()
    }
  }
  const bucketKeyNamed = async (keyRef: string): Promise<Secret> => {
    const id = parseBucketKeyRef(keyRef)
    if (id === undefined) throw engineError('ENGINE_BUCKET_KEY_NOT_FOUND', { bucketKeyId: keyRef })
    return (await bucketKeys.get(id)).key
  }
  const openLayers = async (stored: StoredObjectKey, context: SealContext): Promise<Secret> => {
    const layers = decodeLayers(stored)
    const inner = await openDirect(layers.inner, context)
    try {
      const outer = openOuterLayerKey(layers.outer.sealed, await bucketKeyNamed(layers.outer.keyRef), context)
      const objectKey = joinLayers({ inner, outer })
      outer.wipe()
      return objectKey
    } finally {
      inner.wipe()
    }
  }
  const open = async (stored: StoredObjectKey, context: SealContext): Promise<Secret> => {
    if (context.algorithm === DUAL_LAYER_ALGORITHM) return openLayers(stored, context)
    if (isDirectKeyRef(stored.keyRef)) return openDirect(stored, context)
    return openedKeys.open(stored, await bucketKeyNamed(stored.keyRef), context)
  }

  return {
    async issueObjectKey(context, recipient, masterKey) {
      const objectKey = generateObjectKey(context.algorithm)
      const stored = await seal(objectKey, context, masterKey)
      return { objectKey: mesh.parcel(objectKey, recipient, 'object-key', context), stored }
    },
    async openObjectKey(stored, context, recipient) {
      return mesh.parcel(await open(stored, context), recipient, 'object-key', context)
    },
    async resealObjectKey(stored, from, to, masterKey) {
      const objectKey = await open(stored, from)
      try {
        return await seal(objectKey, to, masterKey)
      } finally {
        objectKey.wipe()
      }
    },
    rewrapObjectKeys: (items, keyName) => rewrapObjectKeys(kms, items, keyName),
    async issueMetadataKey(bucketId, recipient) {
      // Makes the master key at its first use.
      await masterKeys.usable(SERVER_KEY_ID)
      const made = await kms.generateDataKey(SERVER_KEY_ID, metadataKeyContext(bucketId), mesh.recipient())
      const key = mesh.unparcel(made.plaintext, 'data-key', metadataKeyContext(bucketId))
      return {
        metadataKey: mesh.parcel(key, recipient, 'metadata-key', bucketId),
        wrapped: encodeWrappedKey(made.wrapped),
      }
    },
    async describeMetadataKey(wrapped) {
      return wrappingKeyOf(decodeWrappedKey(wrapped))
    },
    async rewrapMetadataKey(bucketId, wrapped, keyName) {
      return encodeWrappedKey(await kms.rewrap(decodeWrappedKey(wrapped), metadataKeyContext(bucketId), keyName))
    },
    listBucketKeys: ({ afterId, limit }) => listBucketKeys(metadata, afterId, limit),
    describeBucketKey: (id) => describeBucketKey(metadata, id),
    rewrapBucketKey: (id, keyName) => rewrapBucketKey({ kms, metadata }, id, keyName),
    removeBucketKeys: (bucketId) => removeBucketKeys(metadata, bucketId),
    removeLeftBucketKeys: (query) => removeLeftBucketKeys(metadata, query),
    async openMetadataKey(bucketId, wrapped, recipient) {
      const parcel = await kms.decrypt(decodeWrappedKey(wrapped), metadataKeyContext(bucketId), mesh.recipient())
      const key = mesh.unparcel(parcel, 'data-key', metadataKeyContext(bucketId))
      return mesh.parcel(key, recipient, 'metadata-key', bucketId)
    },
  }
}

function metadataKeyContext(bucketId: string): Record<string, string> {
  return { purpose: 'metadata-key', bucket: bucketId }
}
