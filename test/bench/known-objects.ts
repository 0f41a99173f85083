/**
 * What an object takes that a process keeps decoded and opened, and what a look at one costs, with its body read: in one process, of
 * objects that are looked up one after another, again and again. `node --expose-gc test/bench/known-objects.ts [objects]`
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateObjectKey, MetadataKey, Secret, sealObjectKey, sealWhole } from '@coffer/crypto-core'
import type { MetadataStore } from '@coffer/metadata-store'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'
import { newVersionId, type ObjectAttributes, openAttributes, sealAttributes } from '@coffer/object-record'
import { OpenedKeys } from '@coffer/service-crypto/opened-keys'

const BODY = Buffer.alloc(4096, 1)
const COMMITS_AT_ONCE = 200
const LOOKS_UNTIL_KEPT = 8
const LOOKS_MEASURED = 5
const objectCount = Number(process.argv[2] ?? 2000)
const collectGarbage = globalThis.gc
if (collectGarbage === undefined) throw new Error('needs --expose-gc')

const bucketId = '0'.repeat(32)
const metadataKey = new MetadataKey(Secret.random(32))
const bucketKey = Secret.random(32)
const openedKeys = new OpenedKeys()
const keys = Array.from({ length: objectCount }, (_, index) => `bench-4096/object-${String(index).padStart(6, '0')}`)
const directory = mkdtempSync(join(tmpdir(), 'coffer-known-'))
const store = await openLmdbStore({ directory })
try {
  await store.createBucket({
    name: 'bench',
    id: bucketId,
    ownerAccountId: '1',
    createdAt: 1,
    versioning: 'unversioned',
    wrappedMetadataKey: Buffer.alloc(80),
    sealed: Buffer.alloc(100),
  })
  for (let at = 0; at < objectCount; at += COMMITS_AT_ONCE) {
    await Promise.all(keys.slice(at, at + COMMITS_AT_ONCE).map((key) => commit(store, key)))
  }
  for (const key of keys.slice(0, 10)) for (let look = 0; look < 1000; look++) await lookUp(key)
  const before = await heapBytes()
  for (let look = 0; look < LOOKS_UNTIL_KEPT; look++) for (const key of keys) await lookUp(key)
  const bytesEach = ((await heapBytes()) - before) / objectCount
  const startedAt = process.cpuUsage()
  for (let look = 0; look < LOOKS_MEASURED; look++) for (const key of keys) await lookUp(key)
  const { user, system } = process.cpuUsage(startedAt)
  const lookMicroseconds = (user + system) / objectCount / LOOKS_MEASURED
  console.log(`${objectCount} objects: ${bytesEach.toFixed(0)} bytes each, ${lookMicroseconds.toFixed(1)} µs a look`)
} finally {
  await store.close()
  rmSync(directory, { recursive: true })
}

async function commit(to: MetadataStore, key: string): Promise<void> {
  const versionId = newVersionId(Date.now())
  const context = { bucketId, key, versionId, algorithm: 'AES-256-GCM' as const }
  const objectKey = generateObjectKey(context.algorithm)
  const bytes = sealWhole(objectKey, BODY, { algorithm: context.algorithm, partNumber: 0 })
  const attributes: ObjectAttributes = {
    etagHex: 'a'.repeat(32),
    sse: 'SSE-S3',
    algorithm: context.algorithm,
    keyContextId: versionId,
    streamSalt: bytes.toString('base64', 16, 48),
    headers: { standard: { 'content-type': 'application/octet-stream' }, user: {} },
    checksum: { algorithm: 'CRC64NVME', type: 'FULL_OBJECT', value: 'AAAAAAAAAAA=' },
  }
  const version = {
    key,
    versionId,
    isNull: true,
    isDeleteMarker: false,
    lastModifiedAt: Date.now(),
    sizeBytes: BODY.length,
    keyRef: `bk:${bucketId}/local/default/20261128-1`,
  }
  const sealedKey = sealObjectKey(objectKey, bucketKey, context)
  const sealed = sealAttributes(metadataKey, bucketId, { ...version, bodyKind: 'inline' }, attributes, sealedKey)
  await to.commitVersion({
    bucketId,
    bucketRevision: 1,
    version: { ...version, sealed, summary: Buffer.alloc(50) },
    body: { kind: 'inline', bytes },
  })
}

async function lookUp(key: string): Promise<void> {
  const found = await store.findVersion(bucketId, key, 'current', { withBody: true })
  if (found === undefined) throw new Error('an object is gone')
  const { attributes, objectKey } = openAttributes(metadataKey, bucketId, found.version)
  const { keyContextId: versionId, algorithm } = attributes
  openedKeys.open(objectKey, bucketKey, { bucketId, key, versionId, algorithm }).wipe()
}

/** With the memory of buffers, after a few collections: what is finalised in one is free after the next. */
async function heapBytes(): Promise<number> {
  for (let round = 0; round < 5; round++) {
    collectGarbage?.()
    await sleep(20)
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
