import { CofferError } from '@coffer/errors'
import type { KmsRecords } from '@coffer/kms'
import { DomainKey } from '@coffer/kms/connectors/local'
import { trustCertificatesIn } from './certificates/trust.ts'
import { assertFips } from './fips-mode.ts'
import { startGateway } from './gateway-process.ts'
import { openMetrics, tellMetrics } from './metrics/open-metrics.ts'
import type { ProcessMetrics } from './metrics/process-metrics.ts'
import { tellStatus } from './status/child-statuses.ts'
import type { StatusSources } from './status/process-status.ts'
import { openStoreServices } from './store-services.ts'
import { openTracing, TRACED_AS } from './tracing/open-tracing.ts'
import type { SupervisorMessage, WorkerMessage } from './worker-messages.ts'

/** Asks the metadata store for the bucket at each request: it is in this process, and the answer is never old. */
export const LOCAL_BUCKET_LEASE_MS = 0

type StartMessage = Extract<SupervisorMessage, { kind: 'start' }>

interface RunningWorker {
  readonly metrics: ProcessMetrics | undefined
  readonly status: StatusSources
  reload(): Promise<void>
  stop(drainMs: number): Promise<void>
}

/** A worker: all services on the shared store, and a gateway on the shared port. Started by the supervisor only. */
async function start({
  settings,
  directories,
  domainKey,
  kmsFile,
  identities,
  writerId,
  ...start
}: StartMessage): Promise<RunningWorker> {
  // The supervisor's word is no proof for this process.
  if (settings.fips) assertFips()
  const log = { level: settings.logLevel, name: 'worker', json: settings.logFormat === 'json' }
  const { logger, tracer } = await openTracing(start.traces, TRACED_AS, log)
  await trustCertificatesIn(directories.certsDirectory)
  const openDomainKey = (records: KmsRecords) => DomainKey.resume(domainKey, records)
  const metrics = await openMetrics(start.metrics, tracer)
  const services = await openStoreServices(directories, { openDomainKey, kmsFile, metrics, tracer }, logger, {
    identities,
  })
  const gateway = await startGateway(settings, {
    mesh: services.mesh,
    blobs: services.blobs,
    writerId,
    certsDirectory: directories.certsDirectory,
    auditDirectory: directories.auditDirectory,
    bucketLeaseMs: LOCAL_BUCKET_LEASE_MS,
    logger,
    metrics,
  })
  tell({ kind: 'ready', port: gateway.port })
  return {
    metrics,
    status: { circuits: services.status.circuits, audit: () => gateway.audit() },
    reload: () => gateway.reload(),
    async stop(drainMs) {
      await gateway.stop(drainMs)
      await services.close()
      await tracer?.close()
    },
  }
}

function tell(message: WorkerMessage): void {
  process.send?.(message)
}

function tellFailure(error: unknown): void {
  const shape = error instanceof CofferError ? error.toJSON() : { code: 'INTERNAL_INVARIANT', message: String(error) }
  tell({ kind: 'failed', error: shape })
}

/** Follows the supervisor's messages. When the supervisor is gone, `node:cluster` ends the worker at once. */
export function obeySupervisor(): void {
  let running: Promise<RunningWorker> | undefined
  process.on('message', (message: SupervisorMessage) => {
    if (message.kind === 'start') {
      running = start(message)
      running.catch((error: unknown) => {
        tellFailure(error)
        process.exitCode = 1
        process.disconnect?.()
      })
      return
    }
    if (message.kind === 'reload') {
      running?.then((worker) => worker.reload()).catch(() => undefined)
      return
    }
    if (message.kind === 'metrics') {
      void running?.then(({ metrics }) => tellMetrics(metrics)).catch(() => undefined)
      return
    }
    if (message.kind === 'status') {
      void running?.then(({ status }) => tellStatus('worker', status)).catch(() => undefined)
      return
    }
    const stopped = running?.then((worker) => worker.stop(message.drainMs)) ?? Promise.resolve()
    stopped.catch(() => {}).finally(() => process.exit(0))
  })
  // Ctrl-C and service managers signal the whole group: the supervisor alone decides when a worker stops.
  process.on('SIGHUP', () => {})
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
}
