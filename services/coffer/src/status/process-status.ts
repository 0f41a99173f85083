import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditState, BlobStoreState, KmsCircuit, MetadataState, ProcessStatus } from '@coffer/contracts'
import type { HealthReport } from '../health/health.ts'
import { COFFER_VERSION } from '../version.ts'

/** Where a process looks for what it tells of itself; what it has nothing to do with is left out. */
export interface StatusSources {
  health?: () => Promise<HealthReport>
  metadata?: () => Promise<MetadataState>
  blobStores?: () => Promise<readonly BlobStoreState[]>
  circuits?: () => readonly KmsCircuit[]
  audit?: () => AuditState
}

/** Who waits for an answer waits no longer; what is not known by then is left out. */
const READ_TIMEOUT_MS = 2_500

export async function processStatus(service: string, instance: string, sources: StatusSources): Promise<ProcessStatus> {
  const [health, metadata, blobStores] = await Promise.all([
    inTime(sources.health?.()),
    inTime(sources.metadata?.()),
    inTime(sources.blobStores?.()),
  ])
  const { ready: isReady, waitingFor } = health ?? UNKNOWN_HEALTH[sources.health === undefined ? 'untold' : 'silent']
  return {
    service,
    instance,
    host: hostname(),
    version: COFFER_VERSION,
    uptimeMs: Math.round(process.uptime() * 1_000),
    isReady,
    waitingFor,
    ...(metadata && { metadata }),
    ...(blobStores && { blobStores }),
    ...(sources.circuits && { circuits: sources.circuits() }),
    ...(sources.audit && { audit: sources.audit() }),
  }
}

/** A process without a check of its own is ready once it answers. */
const UNKNOWN_HEALTH = {
  untold: { ready: true, waitingFor: [] },
  silent: { ready: false, waitingFor: ['an answer in time'] },
} as const

async function inTime<T>(work: Promise<T> | undefined): Promise<T | undefined> {
  if (work === undefined) return undefined
  const late = new AbortController()
  const timeout = sleep(READ_TIMEOUT_MS, undefined, { ref: false, signal: late.signal }).catch(() => undefined)
  return await Promise.race([work.catch(() => undefined), timeout]).finally(() => late.abort())
}
