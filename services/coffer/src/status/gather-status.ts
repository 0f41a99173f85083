import { setTimeout as sleep } from 'node:timers/promises'
import type { Configuration } from '@coffer/config'
import type { KmsCircuit, OlderKeyUse } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import type { Job, JobState } from '@coffer/job-queue'
import type { Mesh } from '@coffer/mesh'
import { replicationStatus } from '../replication-status.ts'
import { findingsOf } from './findings-of.ts'
import { gatherProcesses } from './gather-processes.ts'
import type {
  AuditTotal,
  ConnectorRow,
  JobsState,
  KeyRow,
  ProcessRow,
  StatusReport,
  StoreRow,
} from './status-report.ts'

/** One part that does not answer holds up none of the others. */
const PART_TIMEOUT_MS = 8_000
/** The queue keeps the last 1,000 jobs that have ended. */
const JOBS_MAX = 1_000
const KEYS_MAX = 100
/** Objects of older key versions are counted over all bucket keys: not at each look. */
const OLDER_USE_AGE_MS_MAX = 60_000
const DAY_MS = 86_400_000
const NO_JOBS: Readonly<Record<JobState, number>> = {
  waiting: 0,
  running: 0,
  paused: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
}

/** Looks at everything that runs, once and again. */
export class StatusGatherer {
  readonly #mesh: Mesh
  readonly #configuration: Configuration
  #olderUse: { readonly atMs: number; readonly use: OlderKeyUse } | undefined

  constructor(mesh: Mesh, configuration: Configuration) {
    this.#mesh = mesh
    this.#configuration = configuration
  }

  async gather(): Promise<StatusReport> {
    const unanswered: { part: string; code: string }[] = []
    const part = async <T>(name: string, ask: () => Promise<T>): Promise<T | undefined> => {
      const ended = new AbortController()
      const late = sleep(PART_TIMEOUT_MS, undefined, { ref: false, signal: ended.signal }).then(
        () => Promise.reject(Object.assign(new Error('no answer'), { code: 'TIMEOUT' })),
        () => undefined,
      )
      try {
        return await Promise.race([ask(), late])
      } catch (error) {
        unanswered.push({ part: name, code: codeOf(error) })
        return undefined
      } finally {
        ended.abort()
      }
    }
    const mesh = this.#mesh
    const [processes = [], jobs, connectors, events, replication] = await Promise.all([
      part('processes', () => gatherProcesses(mesh, this.#configuration)),
      part('jobs', () => jobsOf(mesh)),
      part('connectors', () => connectorsOf(mesh)),
      part('events', () => mesh.use('events').status()),
      part('replication', () => replicationStatus(mesh)),
    ])
    const keys = connectors && (await part('keys', () => this.#keysOf(connectors)))
    const metadata = processes.find((process) => process.metadata !== undefined)?.metadata
    const audit = auditOf(processes)
    const report = {
      at: Date.now(),
      runs: this.#configuration.natsUrl === undefined ? ('server' as const) : ('mesh' as const),
      processes,
      ...(metadata && { metadata }),
      blobStores: blobStoresOf(processes),
      ...(jobs && { jobs }),
      ...(connectors && { connectors: connectors.map((connector) => withCircuit(connector, processes)) }),
      ...(keys && { keys: keys.rows, keysArePartial: keys.isPartial }),
      ...(events && { events }),
      ...(replication && { replication }),
      ...(audit && { audit }),
      unanswered,
    }
    const findings = findingsOf(report)
    return { ...report, findings, isHealthy: !findings.some(({ level }) => level === 'problem') }
  }

  async #keysOf(connectors: readonly ConnectorRow[]): Promise<{ rows: readonly KeyRow[]; isPartial: boolean }> {
    const kms = this.#mesh.use('kms')
    const older = await this.#olderKeyUse()
    const counts = new Map(
      older.keys.map(({ connector, keyId, objectCount }) => [`${connector}/${keyId}`, objectCount]),
    )
    const rows: KeyRow[] = []
    let isPartial = older.isPartial
    for (const { connector } of connectors.filter(({ failure }) => failure === undefined)) {
      const keys = await kms.listKeys({ connector, afterKeyId: '', limit: KEYS_MAX + 1 })
      if (rows.length + keys.length > KEYS_MAX) isPartial = true
      for (const key of keys.slice(0, Math.max(0, KEYS_MAX - rows.length))) {
        const { keyId, ownerAccountId, state, currentVersion, deletionAt } = key
        const { rotation } = await kms.describeSettings(`${connector}/${keyId}`)
        rows.push({
          ...{ connector, keyId, state, currentVersion },
          ...(ownerAccountId !== undefined && { ownerAccountId }),
          ...(deletionAt !== undefined && { deletionAt }),
          ...(rotation && { nextRotationAt: rotation.nextAt }),
          olderObjectCount: counts.get(`${connector}/${keyId}`) ?? 0,
        })
      }
    }
    return { rows, isPartial }
  }

  async #olderKeyUse(): Promise<OlderKeyUse> {
    const now = performance.now()
    if (this.#olderUse === undefined || now - this.#olderUse.atMs > OLDER_USE_AGE_MS_MAX) {
      this.#olderUse = { atMs: now, use: await this.#mesh.use('rotation').olderKeyUse() }
    }
    return this.#olderUse.use
  }
}

async function jobsOf(mesh: Mesh): Promise<JobsState> {
  const rotation = mesh.use('rotation')
  const jobs = await rotation.listJobs({ limit: JOBS_MAX })
  const byState = { ...NO_JOBS }
  for (const { state } of jobs) byState[state]++
  const now = Date.now()
  const waiting = jobs.filter(({ state }) => state === 'waiting').map(({ submittedAt }) => submittedAt)
  const isLate = ({ state, endedAt }: Job) => state === 'failed' && (endedAt ?? 0) > now - DAY_MS
  return {
    byState,
    lagMs: Math.max(0, now - Math.min(now, ...waiting)),
    failedLately: jobs.filter(isLate).length,
    scheduleCount: (await rotation.listSchedules()).length,
  }
}

async function connectorsOf(mesh: Mesh): Promise<readonly ConnectorRow[]> {
  const kms = mesh.use('kms')
  return await Promise.all(
    (await kms.listConnectors()).map(async (connector) => {
      const failure = await kms.listKeys({ connector, afterKeyId: '', limit: 1 }).then(() => undefined, codeOf)
      return { connector, ...(failure !== undefined && { failure }) }
    }),
  )
}

function withCircuit(row: ConnectorRow, processes: readonly ProcessRow[]): ConnectorRow {
  const circuits = processes
    .flatMap((process) => process.circuits ?? [])
    .filter((one) => one.connector === row.connector)
  if (circuits.length === 0) return row
  const count = (wanted: KmsCircuit['state']) => circuits.filter(({ state }) => state === wanted).length
  return { ...row, circuit: { open: count('open'), halfOpen: count('half-open'), of: circuits.length } }
}

/** Each once, however many processes use it. */
function blobStoresOf(processes: readonly ProcessRow[]): readonly StoreRow[] {
  const rows = new Map<string, StoreRow>()
  for (const { instance, blobStores = [] } of processes) {
    for (const state of blobStores) {
      const known = rows.get(state.store)
      const awayFor = [...(known?.awayFor ?? []), ...(state.failure === undefined ? [] : [instance])]
      rows.set(state.store, { ...known, ...state, awayFor })
    }
  }
  return [...rows.values()]
}

/** Of all who write a trail, together. */
function auditOf(processes: readonly ProcessRow[]): AuditTotal | undefined {
  const states = processes.flatMap(({ audit }) => audit ?? [])
  if (states.length === 0) return undefined
  const total = { recordCount: 0, droppedCount: 0, waitingCount: 0, stalledTargetCount: 0 }
  let mode: AuditTotal['mode'] = 'off'
  for (const state of states) {
    if (state.mode === 'off') continue
    mode = state.mode
    total.recordCount += state.recordCount
    total.droppedCount += state.droppedCount
    total.waitingCount += state.waitingCount
    total.stalledTargetCount += state.stalledTargetCount
  }
  return { mode, ...total }
}

function codeOf(error: unknown): string {
  if (isCofferError(error)) return error.code
  return error instanceof Error && 'code' in error ? String(error.code) : 'INTERNAL_INVARIANT'
}
