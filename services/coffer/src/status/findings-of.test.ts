import { expect, it } from 'vitest'
import { findingsOf } from './findings-of.ts'
import type { ProcessRow, StatusReport } from './status-report.ts'

const HOUR_MS = 3_600_000
const AT = 1_800_000_000_000
const GIBIBYTE = 1024 ** 3

function processOf(service: string, changes: Partial<ProcessRow> = {}): ProcessRow {
  const known = { instance: `${service}.1`, host: 'h', version: '1', uptimeMs: 1, silentMs: 0 }
  return { service, ...known, isReady: true, waitingFor: [], isGone: false, ...changes }
}

const SERVER = [processOf('supervisor'), processOf('worker')]
const MESH = ['gateway', 'metadata', 'kms', 'crypto', 'iam', 'rotation', 'events'].map((name) => processOf(name))
const STORE = { store: 'slow', kind: 's3' as const, storageClasses: ['STANDARD_IA'], awayFor: [] }
const AUDIT = { mode: 'all' as const, recordCount: 9, droppedCount: 0, waitingCount: 0, stalledTargetCount: 0 }
const JOBS = { byState: {} as never, lagMs: 0, failedLately: 0, scheduleCount: 0 }
const KEY = { connector: 'local', keyId: 'k', state: 'enabled' as const, currentVersion: 2, olderObjectCount: 7 }
const TARGET = { target: 't', waitingCount: 0, lagMs: 0, deadLetterCount: 0, keptCount: 0, droppedCount: 0 }
const AWAY = { state: 'waiting' as const, deliveredCount: 0, at: AT, failure: { at: AT, attempts: 2, reason: 'no' } }

function told(changes: Partial<StatusReport>): string[] {
  const report = { at: AT, runs: 'server' as const, processes: SERVER, blobStores: [], unanswered: [], ...changes }
  return findingsOf(report).map(({ level, code, about }) => `${level} ${code} ${about}`)
}

it.each([
  ['all is well', {}, []],
  ['all of a mesh is well', { runs: 'mesh', processes: MESH }, []],
  ['what waits is delivered', { events: [{ ...TARGET, waitingCount: 9 }], jobs: { ...JOBS, lagMs: 1 } }, []],
  ['no server runs', { processes: [] }, ['problem server-away coffer server']],
  [
    'a worker hangs',
    { processes: [processOf('worker', { isReady: false, waitingFor: ['an answer'] })] },
    ['problem process-not-ready worker worker.1'],
  ],
  [
    'services of a mesh are gone',
    { runs: 'mesh', processes: MESH.map((one) => (/kms|events/.test(one.service) ? { ...one, isGone: true } : one)) },
    ['problem service-away kms', 'warning service-away events'],
  ],
  [
    'one of two has left',
    { runs: 'mesh', processes: [...MESH, processOf('iam', { isGone: true, isReady: false })] },
    [],
  ],
  [
    'the metadata does not answer',
    { metadata: { driver: 'postgresql', failure: 'META_UNAVAILABLE' } },
    ['problem metadata-away metadata (postgresql)'],
  ],
  [
    'one process cannot reach a store',
    { blobStores: [{ ...STORE, awayFor: ['gateway.2'] }] },
    ['problem blob-store-away slow'],
  ],
  [
    'a disk is nearly full',
    { blobStores: [{ ...STORE, freeBytes: 3 * GIBIBYTE, sizeBytes: 100 * GIBIBYTE }] },
    ['warning disk-low slow'],
  ],
  [
    'a KMS does not answer',
    { connectors: [{ connector: 'vault', failure: 'KMS_UNAVAILABLE' }] },
    ['problem kms-away vault'],
  ],
  [
    'a KMS is not asked',
    { connectors: [{ connector: 'vault', circuit: { open: 1, halfOpen: 0, of: 2 } }] },
    ['problem kms-circuit-open vault'],
  ],
  [
    'its circuit is to be tried',
    { connectors: [{ connector: 'vault', circuit: { open: 0, halfOpen: 1, of: 2 } }] },
    [],
  ],
  ['a key is due', { keys: [{ ...KEY, nextRotationAt: AT - 1 }] }, []],
  [
    'a key is late',
    { keys: [{ ...KEY, state: 'disabled', nextRotationAt: AT - 2 * HOUR_MS }] },
    ['warning key-rotation-late local/k'],
  ],
  ['jobs failed', { jobs: { ...JOBS, failedLately: 2 } }, ['warning jobs-failed jobs']],
  ['jobs are not taken up', { jobs: { ...JOBS, lagMs: 2 * HOUR_MS } }, ['problem jobs-late jobs']],
  [
    'an event target is away',
    { events: [{ ...TARGET, waitingCount: 1, relay: AWAY }] },
    ['problem event-target-away t'],
  ],
  ['it was taken out of the file', { events: [{ ...TARGET, relay: AWAY }] }, []],
  ['there are dead letters', { events: [{ ...TARGET, deadLetterCount: 1 }] }, ['warning event-dead-letters t']],
  [
    'replication lags',
    { replication: [{ destination: 'arn', waitingCount: 1, lagMs: 2 * HOUR_MS, pendingCount: 1, pendingBytes: 9 }] },
    ['warning replication-late arn'],
  ],
  [
    'the audit trail is stalled',
    { audit: { ...AUDIT, stalledTargetCount: 1, droppedCount: 3 } },
    ['problem audit-stalled audit trail', 'warning audit-dropped audit trail'],
  ],
  [
    'a part does not answer',
    { unanswered: [{ part: 'jobs', code: 'MESH_SERVICE_UNAVAILABLE' }] },
    ['problem status-unanswered jobs'],
  ],
] as const satisfies readonly (readonly [string, Partial<StatusReport>, readonly string[]])[])(
  'says what has to be looked at when %s',
  (_, changes, expected) => {
    expect(told(changes)).toEqual(expected)
  },
)
