import { constants, setPriority } from 'node:os'
import type { KmsRecords } from '@coffer/kms'
import { DomainKey } from '@coffer/kms/connectors/local'
import { createJobHandler, rewrapBatchWorker } from '@coffer/service-rotation'
import type { OpenTelemetryTracer } from '@coffer/tracing/open-telemetry'
import { adoptionOptions } from './adopt-source.ts'
import type { JobProcessMessage } from './job-messages.ts'
import { openMetrics, tellMetrics } from './metrics/open-metrics.ts'
import type { ProcessMetrics } from './metrics/process-metrics.ts'
import { SharedRewraps } from './shared-rewraps.ts'
import { tellStatus } from './status/child-statuses.ts'
import { openStoreServices, type StoreServices } from './store-services.ts'
import { openTracing, TRACED_AS } from './tracing/open-tracing.ts'

/** Without a job for this long, the process ends and gives its memory back; the supervisor forks another when there is one. */
const IDLE_MS = 30_000
const IDLE_POLL_MS = 1_000

type StartMessage = Extract<JobProcessMessage, { kind: 'start' }>

interface RunningWorker {
  readonly services: StoreServices
  readonly metrics: ProcessMetrics | undefined
  readonly tracer: OpenTelemetryTracer | undefined
}

/** Follows the supervisor's messages, and ends with it. */
export function workOnJobs(): void {
  // Beside workers on the same cores: requests come first.
  setPriority(constants.priority.PRIORITY_LOW)
  let running: Promise<RunningWorker> | undefined
  const stop = () => {
    // What was counted outlives the process.
    const closed =
      running?.then(async ({ services, metrics, tracer }) => {
        await services.close()
        await tracer?.close()
        await tellMetrics(metrics)
      }) ?? Promise.resolve()
    closed.catch(() => undefined).finally(() => process.exit(0))
  }
  process.on('message', (message: JobProcessMessage) => {
    if (message.kind === 'stop') return stop()
    if (message.kind === 'metrics') {
      void running?.then(({ metrics }) => tellMetrics(metrics)).catch(() => undefined)
      return
    }
    if (message.kind === 'status') {
      void running
        ?.then(({ services }) => tellStatus('jobs', { circuits: services.status.circuits }))
        .catch(() => undefined)
      return
    }
    running = start(message, stop)
    running.catch(() => process.exit(1))
  })
  // The supervisor is gone, and the lock of the data directory with it: whoever has it next goes on with the jobs.
  process.on('disconnect', () => process.exit(1))
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
}

async function start(
  { directories, domainKey, kmsFile, writerId, log, ...start }: StartMessage,
  onIdle: () => void,
): Promise<RunningWorker> {
  const { logger, tracer } = await openTracing(start.traces, TRACED_AS, { ...log, name: 'jobs' })
  try {
    const openDomainKey = (records: KmsRecords) => DomainKey.resume(domainKey, records)
    const metrics = await openMetrics(start.metrics, tracer)
    const services = await openStoreServices(directories, { openDomainKey, kmsFile, metrics, tracer }, logger)
    const { mesh, blobs } = services
    const rewraps = new SharedRewraps({
      logger,
      own: rewrapBatchWorker(mesh),
      startMessage: () => ({ directories, domainKey: services.domainKey.insecureExport(), kmsFile, log }),
    })
    const adoption = adoptionOptions(start.adoption)
    const jobHandler = createJobHandler({ mesh, blobs, writerId, adoption, rewrapBatch: rewraps.work })
    const handle = metrics?.jobs.counting(jobHandler) ?? jobHandler
    let running = 0
    let idleSince = Date.now()
    services.jobs.work(async (run) => {
      const { id, kind } = run.job
      running++
      logger.info({ job: id, kind }, 'a job begins or goes on')
      try {
        return await handle(run)
      } catch (error) {
        if (!run.signal.aborted) logger.error({ err: error, job: id, kind }, 'a job failed')
        throw error
      } finally {
        running--
        idleSince = Date.now()
      }
    })
    const timer = setInterval(() => {
      if (running > 0 || Date.now() - idleSince < IDLE_MS) return
      clearInterval(timer)
      onIdle()
    }, IDLE_POLL_MS)
    return { services, metrics, tracer }
  } catch (error) {
    logger.error({ err: error }, 'jobs could not be worked on')
    throw error
  }
}
