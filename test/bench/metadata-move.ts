/**
 * How long a store of many small objects takes from LMDB to PostgreSQL while four writers add to it, and how long those are
 * refused at the end.
 *
 *     node test/bench/metadata-move.ts 100000
 */
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { argv, stdout } from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { isCofferError } from '@coffer/errors'
import { bucketFields, commitOf } from '@coffer/metadata-store/contract/fixtures'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'
import { openLmdbMoveSource } from '@coffer/metadata-store/drivers/lmdb/move'
import { openPostgresMoveTarget } from '@coffer/metadata-store/drivers/postgres/move'
import { closePostgresStore } from '@coffer/metadata-store/drivers/postgres/ownership'
import { moveOnline } from '@coffer/metadata-store/move'
import { startPostgres } from '../harness/postgres-server.ts'
import { temporaryDirectory } from '../harness/start-server.ts'

const LANES = 64
const WRITERS = 4
const BODY_BYTES = 1_024
const WRITE_PAUSE_MS = 10

const objectCount = Number(argv[2] ?? 100_000)
const directory = temporaryDirectory('move')
const postgres = await startPostgres()
const store = await openLmdbStore({ directory })
const bucket = await store.createBucket(bucketFields('bench'))
const commit = async (key: string) => {
  await store.commitVersion(commitOf(bucket, key, { body: { kind: 'inline', bytes: randomBytes(BODY_BYTES) } }))
}
await Promise.all(
  Array.from({ length: LANES }, async (_, lane) => {
    for (let index = 0; index < objectCount / LANES; index += 1) await commit(`${lane}/${index}`)
  }),
)

let writeCount = 0
async function write(number: number): Promise<void> {
  for (let index = 0; ; index += 1) {
    try {
      await commit(`writer-${number}/${index}`)
      writeCount += 1
    } catch (error) {
      if (!isCofferError(error, 'META_STORE_CLOSED')) throw error
      if (error.details.closed === 'moved') return
    }
    await pause(WRITE_PAUSE_MS)
  }
}
const options = postgres.options()
await closePostgresStore(options, 'moving')
const source = await openLmdbMoveSource(directory)
const target = await openPostgresMoveTarget(options)
const writers = Promise.all(Array.from({ length: WRITERS }, (_, number) => write(number)))
const startedAt = performance.now()
await source.beginMove('bench')
const report = await moveOnline(source, target, 'bench', () => {})
const seconds = (performance.now() - startedAt) / 1000
await writers
const rowCount = report.tables.reduce((sum, table) => sum + table.rowCount, 0)
const { compared, fenceMs, replayedCount } = report
stdout.write(`${JSON.stringify({ objectCount, rowCount, seconds, compared, fenceMs, replayedCount, writeCount })}\n`)
for (const each of [store, source, target]) await each.close()
await postgres.stop()
rmSync(directory, { recursive: true, force: true })
