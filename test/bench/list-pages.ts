/**
 * A page of 1,000 names through the whole server (signature, store, ETags, XML), one request at a time, in a bucket of a million
 * objects that are written straight into the store: flat and with a delimiter, the first page and the last.
 * `node test/bench/list-pages.ts [objects]`. Fails if a page takes 10 ms (median of 100) or more.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { MetadataKey } from '@coffer/crypto-core'
import { type ObjectAttributes, sealSummary } from '@coffer/object-record'
import { Agent } from 'undici'
import { EMPTY_SHA256, queryString, signHeaders } from '../harness/sigv4-client.ts'
import { startServices } from '../services/one-process.ts'
import { benchKeys, makeBenchBucket, startCoffer } from './bench-server.ts'
import { inLanes, nullVersion } from './metadata-versions.ts'

const PAGE = 1_000
const FOLDER_OBJECTS = 100
const REPEATS = 100
const WARM_UPS = 100
const PAGE_MS_MAX = 10
const WRITERS = 1_000
const BODY = Buffer.alloc(16)
/** The root key of `startServices`, so that this process can seal what the server will open. */
const ROOT_KEY = Buffer.alloc(32, 9).toString('base64')

const objects = Number(process.argv[2] ?? 1_000_000)
const coffer = await startCoffer({ COFFER_ROOT_KEY: ROOT_KEY })
const connections = new Agent({ connections: 1 })
try {
  await makeBenchBucket(coffer)
  await fill()
  const folders = objects / FOLDER_OBJECTS
  const pages = [
    { name: 'flat', query: {}, places: [0, objects - PAGE], before: keyBefore },
    { name: 'by /', query: { delimiter: '/' }, places: [0, folders - PAGE], before: folderBefore },
  ]
  for (const { name, query, places, before } of pages) {
    for (const place of places) {
      const after = place === 0 ? {} : { 'start-after': before(place) }
      const page = { 'list-type': '2', 'max-keys': String(PAGE), prefix: 'all/' }
      await measure(`${name}, page after ${place}`, { ...page, ...query, ...after })
    }
  }
} finally {
  await connections.close()
  await coffer.stop()
}

/** The objects' records as a put writes them, but for their bodies' seals, which no listing reads. */
async function fill(): Promise<void> {
  const services = await startServices(join(coffer.dataDir, 'data/metadata'))
  try {
    const bucket = await services.store.findBucket('bench')
    if (bucket === undefined) throw new Error('no bucket')
    const crypto = services.mesh.use('crypto')
    const parcel = await crypto.openMetadataKey(bucket.id, bucket.wrappedMetadataKey, services.mesh.recipient())
    const metadataKey = new MetadataKey(services.mesh.unparcel(parcel, 'metadata-key', bucket.id))
    await inLanes(objects, WRITERS, (index) => {
      const commit = nullVersion(bucket.id, keyOf(index), BODY)
      const attributes: ObjectAttributes = {
        etagHex: randomBytes(16).toString('hex'),
        sse: 'SSE-S3',
        algorithm: 'AES-256-GCM',
        keyContextId: commit.version.versionId,
        headers: { standard: {}, user: {} },
      }
      const summary = sealSummary(metadataKey, bucket.id, { ...commit.version, isDeleteMarker: false }, attributes)
      return services.store.commitVersion({
        ...commit,
        bucketRevision: bucket.revision,
        version: { ...commit.version, summary },
      })
    })
  } finally {
    await services.stop()
  }
}

async function measure(name: string, query: Readonly<Record<string, string>>): Promise<void> {
  const timesMs: number[] = []
  let cpuBeforeMs = 0
  for (let repeat = 0; repeat < WARM_UPS + REPEATS; repeat++) {
    if (repeat === WARM_UPS) cpuBeforeMs = coffer.cpuMs()
    const startedAt = performance.now()
    const body = await list(query)
    timesMs.push(performance.now() - startedAt)
    const shown = body.split('<ETag>').length - 1 + body.split('<CommonPrefixes>').length - 1
    if (shown !== PAGE || body.includes('damaged')) throw new Error(`${name}: ${shown} names`)
  }
  const cpuMs = (coffer.cpuMs() - cpuBeforeMs) / REPEATS
  const warm = timesMs.slice(WARM_UPS).sort((a, b) => a - b)
  const [fastestMs = 0, medianMs = 0] = [warm[0], warm[REPEATS >> 1]]
  console.log(
    `${name}: median ${medianMs.toFixed(1)} ms, fastest ${fastestMs.toFixed(1)}, ${cpuMs.toFixed(1)} ms of processor time`,
  )
  if (medianMs >= PAGE_MS_MAX) process.exitCode = 1
}

async function list(query: Readonly<Record<string, string>>): Promise<string> {
  const { origin, host } = new URL(coffer.endpoint.url)
  const unsigned = { method: 'GET', path: '/bench', query, headers: { host }, payloadHash: EMPTY_SHA256 }
  const { headers } = signHeaders(unsigned, benchKeys)
  const { body } = await connections.request({
    origin,
    path: `/bench?${queryString(query)}`,
    method: 'GET',
    headers,
  })
  return body.text()
}

function folderOf(index: number): string {
  return `all/folder-${String(index).padStart(6, '0')}/`
}

function keyOf(index: number): string {
  return `${folderOf(Math.floor(index / FOLDER_OBJECTS))}object-${String(index % FOLDER_OBJECTS).padStart(3, '0')}`
}

function keyBefore(index: number): string {
  return keyOf(index - 1)
}

function folderBefore(index: number): string {
  return folderOf(index - 1)
}
