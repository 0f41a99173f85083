/**
 * The PostgreSQL driver on a server of its own, on this disk: durable 4 KiB puts at several numbers of writers, and pages of a
 * bucket of a million objects.
 *
 *   node test/bench/postgres.ts [objects, default 1000000]
 */
import { randomBytes } from 'node:crypto'
import { openPostgresStore } from '@coffer/metadata-store/drivers/postgres'
import { headKey, objectName } from '@coffer/metadata-store/rows/keys'
import { RowWriter } from '@coffer/metadata-store/rows/row'
import { encodeCurrent, encodeVersion } from '@coffer/metadata-store/rows/version-row'
import pg from 'pg'
import { startPostgres } from '../harness/postgres-server.ts'

const objectCount = Number(process.argv[2] ?? 1_000_000)
const PUT_SECONDS = 6
const ROWS_PER_INSERT = 10_000
const PAGES = 50
const server = await startPostgres()
try {
  const store = await openPostgresStore(server.options('coffer'))
  const bucketId = randomBytes(16).toString('hex')
  const bucket = { ownerAccountId: 'a', createdAt: 1, versioning: 'unversioned' as const }
  const keys = { wrappedMetadataKey: randomBytes(60), sealed: randomBytes(40) }
  await store.createBucket({ name: 'bench', id: bucketId, ...bucket, ...keys })
  const body = { kind: 'inline' as const, bytes: randomBytes(4_144) }
  for (const writers of [1, 8, 32, 64]) {
    let puts = 0
    const latencies: number[] = []
    const end = Date.now() + PUT_SECONDS * 1_000
    const work = async () => {
      while (Date.now() < end) {
        const started = performance.now()
        const version = versionOf(`put/${randomBytes(12).toString('hex')}`)
        await store.commitVersion({ bucketId, bucketRevision: 1, version, body })
        latencies.push(performance.now() - started)
        puts += 1
      }
    }
    await Promise.all(Array.from({ length: writers }, work))
    print(`put 4 KiB, ${writers} writers`, `${Math.round(puts / PUT_SECONDS)}/s`, latencies)
  }

  const started = Date.now()
  await load(objectCount)
  process.stdout.write(`${objectCount} objects loaded in ${Math.round((Date.now() - started) / 1000)} s\n`)
  const listing = { bucketId, prefix: '', delimiter: '', limit: 1_000 }
  const somewhere = () => keyOf(Math.floor(Math.random() * objectCount))
  await measure('page of 1,000 names', () => store.listCurrent({ ...listing, afterKey: somewhere() }))
  await measure('page of 1,000 versions', () => store.listVersions({ ...listing, afterKey: somewhere() }))
  await measure('page of 1,000 common prefixes', () =>
    store.listCurrent({ ...listing, delimiter: '/', prefix: 'load/', afterKey: '' }),
  )
  await measure('page of one common prefix over all', () =>
    store.listCurrent({ ...listing, delimiter: '/', afterKey: 'l' }),
  )
  await measure('look-up of one object', () => store.findVersion(bucketId, somewhere(), 'current', { withBody: true }))
  await store.close()

  async function load(count: number): Promise<void> {
    const { host, port, user, database } = server.options('coffer')
    const { readFileSync } = await import('node:fs')
    const password = readFileSync(server.passwordFile, 'utf8').trim()
    const client = new pg.Client({ host, port, user, database, password })
    await client.connect()
    const rows = new RowWriter()
    for (let first = 0; first < count; first += ROWS_PER_INSERT) {
      const columns = { current: [[], []], versions: [[], []] } as Record<string, [string[], string[]]>
      for (let index = first; index < Math.min(count, first + ROWS_PER_INSERT); index += 1) {
        const record = { ...versionOf(keyOf(index)), bodyKind: 'none' as const }
        const name = objectName(bucketId, record.key)
        add(columns.current, name, encodeCurrent(rows, record, name))
        const stored = { record, nullVersionId: record.versionId, inlineSizeBytes: 0, inlineTail: Buffer.alloc(0) }
        add(columns.versions, headKey(name), encodeVersion(rows, stored, name))
      }
      for (const [table, values] of Object.entries(columns)) {
        const text = `INSERT INTO coffer.${table} (key, value) SELECT decode(k, 'hex'), decode(v, 'hex') FROM unnest($1::text[], $2::text[]) AS new (k, v)`
        await client.query({ name: table, text, values })
      }
    }
    await client.query('ANALYZE')
    await client.end()
  }
} finally {
  await server.stop()
}

function keyOf(index: number): string {
  return `load/${String(index >> 8).padStart(5, '0')}/${String(index).padStart(8, '0')}`
}

function versionOf(key: string) {
  const versionId = Date.now().toString(16).padStart(12, '0') + randomBytes(10).toString('hex')
  const fields = {
    lastModifiedAt: Date.now(),
    sizeBytes: 4_096,
    keyRef: 'bk:bench',
    isNull: true,
    isDeleteMarker: false,
  }
  return { key, versionId, ...fields, sealed: randomBytes(300), summary: randomBytes(60) }
}

function add(columns: [string[], string[]] | undefined, key: Buffer, value: Buffer): void {
  columns?.[0].push(key.toString('hex'))
  columns?.[1].push(value.toString('hex'))
}

async function measure(name: string, work: () => Promise<unknown>): Promise<void> {
  const latencies: number[] = []
  for (let index = 0; index < PAGES; index += 1) {
    const started = performance.now()
    await work()
    latencies.push(performance.now() - started)
  }
  print(name, '', latencies)
}

function print(name: string, rate: string, latencies: number[]): void {
  const sorted = latencies.sort((a, b) => a - b)
  const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1)
  process.stdout.write(`${name.padEnd(38)} ${rate.padStart(8)}  p50 ${at(0.5)} ms  p99 ${at(0.99)} ms\n`)
}
