import { type Finding, problem, warning } from '../doctor/finding.ts'
import { SERVICES_OF_A_MESH } from '../local-mesh/roles.ts'
import type { ProcessRow, StatusReport } from './status-report.ts'

const GIBIBYTE = 1024 ** 3
/** As the doctor has it. */
const LOW_BYTES = 2 * GIBIBYTE
const LOW_SHARE = 0.05
const HOUR_MS = 3_600_000
/** What has waited longer than this is looked at. */
const LAG_MS_MAX = HOUR_MS
/** A service that nothing needs where no bucket tells events. */
const OPTIONAL: ReadonlySet<string> = new Set(['events'])

type Gathered = Omit<StatusReport, 'findings' | 'isHealthy'>

/** What somebody has to look at: a problem keeps something from working now, a warning will if nobody does anything. */
export function findingsOf(report: Gathered): readonly Finding[] {
  return [
    ...processFindings(report),
    ...placeFindings(report),
    ...keyFindings(report),
    ...queueFindings(report),
    ...report.unanswered.map(({ part, code }) => problem('status-unanswered', part, `could not be asked: ${code}`)),
  ]
}

function processFindings({ runs, processes }: Gathered): Finding[] {
  if (runs === 'server' && processes.length === 0) {
    return [problem('server-away', 'coffer server', 'runs not on this data directory, or does not answer')]
  }
  const findings = processes.flatMap(processFinding)
  if (runs === 'server') return findings
  for (const service of SERVICES_OF_A_MESH) {
    if (processes.some((process) => process.service === service && !process.isGone)) continue
    const tell = OPTIONAL.has(service) ? warning : problem
    findings.push(tell('service-away', service, 'no process of it is on the mesh'))
  }
  return findings
}

/** One that has left is told where its service needs it: that there is none of it. */
function processFinding({ service, instance, isReady, isGone, waitingFor }: ProcessRow): Finding[] {
  if (isGone || isReady) return []
  return [problem('process-not-ready', `${service} ${instance}`, `waits for ${waitingFor.join(', ')}`)]
}

function placeFindings({ metadata, blobStores }: Gathered): Finding[] {
  const findings: Finding[] = []
  if (metadata?.failure !== undefined) {
    findings.push(problem('metadata-away', `metadata (${metadata.driver})`, `does not answer: ${metadata.failure}`))
  }
  for (const { store, failure, awayFor } of blobStores) {
    if (awayFor.length === 0) continue
    const whom = awayFor.length > 3 ? `${awayFor.length} processes` : awayFor.join(', ')
    findings.push(problem('blob-store-away', store, `cannot be used by ${whom}: ${failure ?? 'see the log'}`))
  }
  for (const place of [...(metadata ? [{ store: 'metadata', ...metadata }] : []), ...blobStores]) {
    const { store, freeBytes, sizeBytes } = place
    if (freeBytes === undefined || sizeBytes === undefined) continue
    if (freeBytes >= LOW_BYTES && freeBytes >= LOW_SHARE * sizeBytes) continue
    const text = `${(freeBytes / GIBIBYTE).toFixed(1)} GiB free: a full disk refuses writes (507)`
    findings.push(warning('disk-low', store, text))
  }
  return findings
}

function keyFindings({ connectors = [], keys = [], at }: Gathered): Finding[] {
  const findings: Finding[] = []
  for (const { connector, failure, circuit } of connectors) {
    if (failure !== undefined) findings.push(problem('kms-away', connector, `does not list its keys: ${failure}`))
    else if (circuit !== undefined && circuit.open > 0) {
      const text = `is not asked by ${circuit.open} of ${circuit.of} processes, as it has not answered them`
      findings.push(problem('kms-circuit-open', connector, text))
    }
  }
  for (const { connector, keyId, state, nextRotationAt } of keys) {
    if (nextRotationAt === undefined || nextRotationAt > at - LAG_MS_MAX) continue
    const text = `was to be rotated on ${new Date(nextRotationAt).toISOString()}, and is ${state}`
    findings.push(warning('key-rotation-late', `${connector}/${keyId}`, text))
  }
  return findings
}

function queueFindings({ jobs, events = [], replication = [], audit }: Gathered): Finding[] {
  const findings: Finding[] = []
  if (jobs !== undefined && jobs.failedLately > 0) {
    findings.push(warning('jobs-failed', 'jobs', `${jobs.failedLately} failed in the last day: coffer job list`))
  }
  if (jobs !== undefined && jobs.lagMs > LAG_MS_MAX) {
    findings.push(problem('jobs-late', 'jobs', 'one has waited for more than an hour, and nobody took it up'))
  }
  for (const { target, waitingCount, deadLetterCount, relay } of events) {
    // What a relay told of a target that is no longer configured stays.
    if (relay?.failure !== undefined && waitingCount > 0) {
      findings.push(problem('event-target-away', target, `${relay.failure.reason}, ${relay.failure.attempts} attempts`))
    }
    if (deadLetterCount > 0) {
      findings.push(warning('event-dead-letters', target, `${deadLetterCount}: coffer events dead-letters ${target}`))
    }
  }
  for (const { destination, lagMs } of replication) {
    if (lagMs > LAG_MS_MAX) findings.push(warning('replication-late', destination, 'lags by more than an hour'))
  }
  if (audit !== undefined && audit.stalledTargetCount > 0) {
    findings.push(problem('audit-stalled', 'audit trail', `${audit.stalledTargetCount} targets take no records`))
  }
  if (audit !== undefined && audit.droppedCount > 0) {
    findings.push(warning('audit-dropped', 'audit trail', `${audit.droppedCount} records were dropped`))
  }
  return findings
}
