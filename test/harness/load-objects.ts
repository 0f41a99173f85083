/** Puts objects of a bucket straight into a store's metadata, sealed as the gateway seals them: a million in a minute or two. */
import { join } from 'node:path'
import { MetadataKey, Secret } from '@coffer/crypto-core'
import type { RemovableRecords } from '@coffer/kms'
import { DomainKey, openLocalConnector } from '@coffer/kms/connectors/local'
import { createLogger, Mesh } from '@coffer/mesh'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'
import { sealInline } from '@coffer/object-body'
import { newVersionId, type ObjectAttributes, sealAttributes, sealContextOf, sealSummary } from '@coffer/object-record'
import { createCryptoService, provideCrypto } from '@coffer/service-crypto'
import { createKmsService, provideKms } from '@coffer/service-kms'
import { provideMetadata } from '@coffer/service-metadata'

const AT_ONCE = 512
const BODY_BYTES = 16

export interface Load {
  /** Of the server, which may run. */
  readonly dataDirectory: string
  readonly rootKey: Uint8Array
  readonly bucket: string
  readonly masterKey: string
  readonly bucketKeyEnabled: boolean
  readonly objectCount: number
}

export async function loadObjects(load: Load): Promise<void> {
  const store = await openLmdbStore({ directory: join(load.dataDirectory, 'metadata') })
  const mesh = await Mesh.start({ logger: createLogger({ level: 'silent', name: 'bench', json: true }) })
  const records: RemovableRecords = {
    find: (id) => store.findRecord('keys', id),
    put: async (id, value, revision) => {
      await store.putRecord('keys', id, value, revision)
    },
    list: (query) => store.listRecords('keys', query),
    remove: (id) => store.deleteRecord('keys', id),
    change: (changes) => store.changeRecords('keys', changes),
  }
  const domainKey = await DomainKey.open(Secret.copyOf(load.rootKey), records)
  const connector = openLocalConnector({ domainKey }, { name: 'local', records })
  await provideMetadata(mesh, store)
  const kms = { mesh, connectors: [connector], defaultConnector: 'local' }
  await provideKms(mesh, createKmsService({ ...kms, records }))
  await provideCrypto(mesh, createCryptoService({ mesh }))
  const bucket = await store.findBucket(load.bucket)
  if (bucket === undefined) throw new Error(`no bucket ${load.bucket}`)
  const { id: bucketId } = bucket
  const parcel = await mesh.use('crypto').openMetadataKey(bucketId, bucket.wrappedMetadataKey, mesh.recipient())
  const metadataKey = new MetadataKey(mesh.unparcel(parcel, 'metadata-key', bucketId))
  const plain = Buffer.alloc(BODY_BYTES, 1)

  const put = async (index: number) => {
    const key = `object-${String(index).padStart(9, '0')}`
    const versionId = newVersionId(Date.now())
    const algorithm = 'AES-256-GCM'
    const kmsAttributes = { keyId: load.masterKey, bucketKeyEnabled: load.bucketKeyEnabled }
    const context = sealContextOf(bucketId, key, { keyContextId: versionId, algorithm, kms: kmsAttributes })
    const masterKey = { keyName: load.masterKey, bucketKeyEnabled: load.bucketKeyEnabled }
    const { objectKey: sent, stored } = await mesh.use('crypto').issueObjectKey(context, mesh.recipient(), masterKey)
    const objectKey = mesh.unparcel(sent, 'object-key', context)
    const sealed = sealInline(plain, { objectKey, algorithm, partNumber: 0 })
    objectKey.wipe()
    const attributes: ObjectAttributes = {
      etagHex: '0123456789abcdef'.repeat(2),
      sse: 'SSE-KMS',
      kms: kmsAttributes,
      algorithm,
      keyContextId: versionId,
      streamSalt: sealed.salt,
      headers: { standard: {}, user: {} },
    }
    const fields = {
      key,
      versionId,
      isNull: true,
      isDeleteMarker: false,
      lastModifiedAt: Date.now(),
      sizeBytes: BODY_BYTES,
      keyRef: stored.keyRef,
    }
    await store.commitVersion({
      bucketId,
      bucketRevision: bucket.revision,
      version: {
        ...fields,
        sealed: sealAttributes(metadataKey, bucketId, { ...fields, bodyKind: 'inline' }, attributes, stored.sealed),
        summary: sealSummary(metadataKey, bucketId, fields, attributes),
      },
      body: { kind: 'inline', bytes: sealed.bytes },
    })
  }
  let next = 0
  const worker = async () => {
    while (next < load.objectCount) await put(next++)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  await mesh.stop()
  await store.close()
}
