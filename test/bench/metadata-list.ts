/**
 * Pages of 1,000 in a bucket of a million objects: flat, and with a delimiter over 10,000 folders; the first page, one in
 * the middle and the last; all versions too; and the one page that shows a folder of a million names as one common prefix.
 * `node test/bench/metadata-list.ts [objects] [directory]`. Fails if a page takes 10 ms (median of 20) or more.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ListVersionsQuery, VersionPage } from '@coffer/metadata-store'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'
import { inLanes, makeMetadataBucket, nullVersion } from './metadata-versions.ts'

const PAGE = 1_000
const FOLDER_OBJECTS = 100
const REPEATS = 20
const PAGE_MS_MAX = 10
const WRITERS = 1_000
const BODY = Buffer.alloc(16)

const objects = Number(process.argv[2] ?? 1_000_000)
const directory = await mkdtemp(join(process.argv[3] ?? tmpdir(), 'coffer-bench-list-'))
const store = await openLmdbStore({ directory })
try {
  const bucketId = await makeMetadataBucket(store)
  await inLanes(objects, WRITERS, (index) => store.commitVersion(nullVersion(bucketId, keyOf(index), BODY)))
  const folders = objects / FOLDER_OBJECTS
  const pages = [
    {
      name: 'flat',
      delimiter: '',
      places: [0, objects / 2, objects - PAGE].map((index) => [index, keyBefore(index)] as const),
    },
    {
      name: 'by /',
      delimiter: '/',
      places: [0, folders / 2, folders - PAGE].map((index) => [index, folderBefore(index)] as const),
    },
  ]
  for (const { name, delimiter, places } of pages) {
    for (const [index, afterKey] of places) {
      const query = { bucketId, prefix: 'all/', delimiter, afterKey, limit: PAGE }
      await measure(`current, ${name}, page after ${index}`, PAGE, () => store.listCurrent(query))
      await measure(`versions, ${name}, page after ${index}`, PAGE, () => store.listVersions(query))
    }
  }
  const top: ListVersionsQuery = { bucketId, prefix: '', delimiter: '/', afterKey: '', limit: PAGE }
  await measure('current, one common prefix', 1, () => store.listCurrent(top))
} finally {
  await store.close()
  await rm(directory, { recursive: true })
}

async function measure(name: string, shown: number, list: () => Promise<VersionPage>): Promise<void> {
  const timesMs: number[] = []
  for (let repeat = 0; repeat < REPEATS; repeat += 1) {
    const startedAt = performance.now()
    const { entries, commonPrefixes } = await list()
    timesMs.push(performance.now() - startedAt)
    if (entries.length + commonPrefixes.length !== shown) throw new Error(`${name}: ${entries.length} entries`)
  }
  const firstMs = timesMs[0] ?? 0
  const medianMs = timesMs.sort((a, b) => a - b)[REPEATS >> 1] ?? 0
  console.log(`${name}: ${medianMs.toFixed(2)} ms (the first time ${firstMs.toFixed(2)})`)
  if (medianMs >= PAGE_MS_MAX) process.exitCode = 1
}

function folderOf(index: number): string {
  return `all/folder-${String(index).padStart(6, '0')}/`
}

function keyOf(index: number): string {
  return `${folderOf(Math.floor(index / FOLDER_OBJECTS))}object-${String(index % FOLDER_OBJECTS).padStart(3, '0')}`
}

function keyBefore(index: number): string {
  return index === 0 ? '' : keyOf(index - 1)
}

function folderBefore(index: number): string {
  return index === 0 ? '' : folderOf(index - 1)
}
