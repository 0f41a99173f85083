import { readFileSync } from 'node:fs'
import { insecureExportKeyBytes, MetadataKey, Secret } from '@coffer/crypto-core'
import { createLogger, Mesh } from '@coffer/mesh'
import type { ListedVersion, VersionPage } from '@coffer/metadata-store'
import { openAttributes, sealContextOf } from '@coffer/object-record'
import type { MeshProcesses } from './mesh-processes.ts'
import type { NatsServer } from './nats-server.ts'

const PAGE = 100

type Place = Pick<ListedVersion, 'key' | 'versionId'>

export interface IssuedKey {
  readonly name: string
  readonly keyBytes: Buffer
  /** As it is stored: what may be seen of it. */
  readonly sealed: Buffer
}

/** The keys of all versions in a bucket, opened by the mesh's own crypto service for a process that has joined for it. */
export async function openIssuedKeys(mesh: MeshProcesses, nats: NatsServer, name: string): Promise<IssuedKey[]> {
  const joined = await Mesh.start({
    logger: createLogger({ level: 'silent', name: 'test', json: true }),
    meshKey: Secret.take(Buffer.from(mesh.meshKey, 'base64')),
    nats: {
      url: nats.url,
      user: nats.user,
      password: Secret.take(Buffer.from(readFileSync(nats.passwordFile, 'utf8').trim())),
      tls: { caFile: nats.caFile },
    },
  })
  try {
    await joined.waitFor(['metadata', 'crypto'], 10_000)
    return await keysOf(joined, name)
  } finally {
    await joined.stop()
  }
}

async function keysOf(joined: Mesh, name: string): Promise<IssuedKey[]> {
  const [metadata, crypto] = [joined.use('metadata'), joined.use('crypto')]
  const bucket = await metadata.findBucket(name)
  if (bucket === undefined) throw new Error(`no bucket ${name}`)
  const parcel = await crypto.openMetadataKey(bucket.id, bucket.wrappedMetadataKey, joined.recipient())
  const metadataKey = new MetadataKey(joined.unparcel(parcel, 'metadata-key', bucket.id))
  const keyOf = async ({ key, versionId }: Place): Promise<IssuedKey[]> => {
    const found = await metadata.findVersion(bucket.id, key, { versionId }, { withBody: false })
    if (found === undefined || found.version.isDeleteMarker) return []
    const { attributes, objectKey } = openAttributes(metadataKey, bucket.id, found.version)
    const context = sealContextOf(bucket.id, key, attributes)
    const sent = await crypto.openObjectKey(objectKey, context, joined.recipient())
    const keyBytes = Buffer.from(insecureExportKeyBytes(joined.unparcel(sent, 'object-key', context)))
    return [{ name: `${key}@${versionId}`, keyBytes, sealed: Buffer.from(objectKey.sealed) }]
  }
  const keys: IssuedKey[] = []
  for (let after: VersionPage['next'] = { afterKey: '', afterVersionId: '' }; after !== undefined; ) {
    const page: VersionPage = await metadata.listVersions({
      bucketId: bucket.id,
      prefix: '',
      delimiter: '',
      limit: PAGE,
      ...after,
    })
    keys.push(...(await Promise.all(page.entries.map(keyOf))).flat())
    after = page.next
  }
  return keys
}
