import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { startPostgres } from '../harness/postgres-server.ts'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'
import { openLmdbMoveSource } from '@coffer/metadata-store/drivers/lmdb/move'
import { openPostgresMoveTarget } from '@coffer/metadata-store/drivers/postgres/move'
import { closePostgresStore } from '@coffer/metadata-store/drivers/postgres/ownership'
import { moveOnline } from '@coffer/metadata-store/move'
import { commitFields } from '../../packages/metadata-store/src/drivers/lmdb/testing/commit-fields.ts'
const N = Number(process.argv[2] ?? 100000)
const server = await startPostgres()
const d = mkdtempSync('/tmp/migrate/big-')
const store = await openLmdbStore({ directory: d })
const bucket = await store.createBucket({ name:'b', id: randomBytes(16).toString('hex'), ownerAccountId:'a', createdAt:1, versioning:'enabled', wrappedMetadataKey: randomBytes(60), sealed: randomBytes(40)})
await Promise.all(Array.from({length:64}, async (_, l) => { for (let i = 0; i < N / 64; i++) await store.commitVersion(commitFields(bucket.id, `k-${l}-${i}`, false, 1024)) }))
console.log('filled')
let stop = false, count = 0, refusedMs = 0
const started = performance.now()
const writers = Promise.all(Array.from({length: 4}, async (_, l) => { for (let i = 0; !stop; i++) { const t = performance.now(); try { await store.commitVersion(commitFields(bucket.id, `w-${l}-${i}`, false, 1024)); count++; await new Promise((r) => setTimeout(r, 10)) } catch (e) { if ((e as any).details?.closed === 'moved') return; await new Promise((r) => setTimeout(r, 10)); refusedMs += performance.now() - t } } }))
const o = server.options()
await closePostgresStore(o, 'moving')
const source = await openLmdbMoveSource(d); await source.beginMove('x')
const target = await openPostgresMoveTarget(o)
let last = ''; 
const report = await moveOnline(source, target, 'x', (p) => { const s = p.phase + (p.table ?? ''); if (s !== last) { console.log(((performance.now() - started) / 1000).toFixed(1), s); last = s } })
stop = true; await writers
console.log({ compared: report.compared, fenceMs: report.fenceMs, replayed: report.replayedCount, writes: count, seconds: (performance.now() - started) / 1000, refusedMsPerWriter: refusedMs / 4, rows: report.tables.reduce((a, t) => a + t.rowCount, 0), cpuSeconds: process.cpuUsage().user / 1e6 })
await store.close(); await source.close(); await target.close(); await server.stop(); rmSync(d, { recursive: true })
