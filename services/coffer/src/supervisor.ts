import { readdir } from 'node:fs/promises'
import { getCompileCacheDir } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import type { Configuration, HostPort } from '@coffer/config'
import type { AuditState, MetadataService } from '@coffer/contracts'
import type { KmsRecords } from '@coffer/kms'
import type { Logger } from '@coffer/mesh'
import { startRelay } from '@coffer/service-events'
import { renderBanner } from './banner.ts'
import {
  defaultCertificatePath,
  ensureDefaultCertificate,
  readCertificatePair,
  selfSignedNames,
} from './certificates/certificate-files.ts'
import { trustCertificatesIn } from './certificates/trust.ts'
import { type DataDirectory, openDataDirectory } from './data-directory.ts'
import { openEventTargets } from './event-targets.ts'
import { assertFips } from './fips-mode.ts'
import { gatewaySettingsOf, startGateway } from './gateway-process.ts'
import { onHangUp } from './hang-up.ts'
import { Health } from './health/health.ts'
import { startHealthListener } from './health/health-listener.ts'
import { type Housekeeping, startHousekeeping } from './housekeeping.ts'
import { identityOptionsOf } from './identities.ts'
import { JobProcess } from './job-process.ts'
import { hasSealedKeys } from './kms-records.ts'
import { bindMetadata, type MetadataLocation, metadataServerOf, openMetadataStore } from './metadata-location.ts'
import { settled } from './metadata-record.ts'
import { openMetrics } from './metrics/open-metrics.ts'
import type { ProcessMetrics } from './metrics/process-metrics.ts'
import type { Monitoring } from './metrics/server-monitoring.ts'
import { onceOpen, retireWhereKept, whenMoved } from './moved-metadata.ts'
import { openReplicationDestinations } from './replication-destinations.ts'
import { ensureRootAccount, forgetSecretVariables } from './root-account.ts'
import { configuredRootCredentials } from './root-credentials.ts'
import { resolveRootKey } from './root-key.ts'
import { openSealedStore } from './sealed-store.ts'
import { ChildStatuses } from './status/child-statuses.ts'
import { processStatus, type StatusSources } from './status/process-status.ts'
import { startStatusSocket } from './status/status-socket.ts'
import { stopSignal } from './stop-signal.ts'
import { openStoreServices, type StoreServices } from './store-services.ts'
import { openTracing, TRACED_AS, traceSettingsOf } from './tracing/open-tracing.ts'
import { LOCAL_BUCKET_LEASE_MS } from './worker.ts'
import { newWriterId, WorkerPool } from './worker-pool.ts'

/** How long requests in flight may go on after the order to stop. */
export const DRAIN_MS = 10_000

/**
 * The server: holds the data directory's lock, the root key and the singletons; workers answer requests. Resolves when it
 * has been told to stop (SIGTERM, SIGINT) and has. Rejects, with nothing left running, if it can't start. Where its metadata is
 * moved (`coffer migrate metadata --online`) it begins anew, on the same port.
 */
export async function runServer(configuration: Configuration): Promise<void> {
  let run = await serveOnce(configuration)
  while (run.isMoved) {
    const { port, stopping } = run
    const again = () => serveOnce({ ...configuration, address: { ...configuration.address, port } }, stopping)
    const next = await onceOpen(again, stopping)
    if (next === undefined) return
    run = next
  }
}

interface ServerRun {
  /** The metadata is elsewhere. */
  readonly isMoved: boolean
  readonly stopping: Promise<NodeJS.Signals>
  readonly port: number
}

/** `orderToStop`: of an earlier run, where there was one. */
async function serveOnce(given: Configuration, orderToStop?: Promise<NodeJS.Signals>): Promise<ServerRun> {
  if (given.fips) assertFips()
  forgetSecretVariables(process.env)
  const configuredCredentials = await configuredRootCredentials(given)
  const log = { level: given.logLevel, name: 'coffer', json: given.logFormat === 'json' }
  const traces = traceSettingsOf(given)
  const { logger, tracer } = await openTracing(traces, TRACED_AS, log)
  const workerCount = given.workers ?? availableParallelism()

  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(async () => await tracer?.close())
  const directory = await openDataDirectory(given.dataDir, { exclusive: true })
  cleanup.defer(() => directory.release())
  const configuration = await settled(given, directory.metadataDirectory, (why) => logger.warn(why))
  const metadataServer = metadataServerOf(configuration)
  await bindMetadata(directory, metadataServer)
  const isKeyed = await isInitialised({ ...directory, metadataServer })
  const rootKey = await resolveRootKey(configuration, directory.secretsDirectory, isKeyed)
  if (rootKey.warning) logger.warn(rootKey.warning)
  const pool = workerCount > 1 ? forkWorkers(workerCount) : undefined
  if (pool) cleanup.defer(() => pool.kill())
  const metrics = await openMetrics(configuration.healthAddress !== undefined, tracer)
  const openDomainKey = (records: KmsRecords) => openSealedStore(rootKey, records)
  const services = await openStoreServices(
    { ...directory, metadataServer, blobsFile: configuration.blobsFile },
    { openDomainKey, kmsFile: configuration.kmsFile, metrics, tracer },
    logger,
    { identities: identityOptionsOf(configuration) },
  )
  cleanup.defer(() => services.close())
  await services.blobs.places()
  // From here on the store is known to be ours to change.
  await retireEarlierWriters(services.mesh.use('metadata'))
  const credentials = await ensureRootAccount(
    services.mesh.use('iam'),
    configuredCredentials,
    directory.secretsDirectory,
  )
  const { address, domains } = configuration
  await ensureDefaultCertificate(directory.certsDirectory, selfSignedNames(address.host, domains))
  await trustCertificatesIn(directory.certsDirectory)

  const housekeeping = startHousekeeping(services.mesh, logger, metrics && ((report) => metrics.scrub.ended(report)))
  cleanup.defer(() => housekeeping.stop())
  const monitoring = metrics && (await startMonitoring(metrics, directory, services, configuration.metricsBuckets))
  const statuses = new ChildStatuses()
  const parts: ServerParts = { configuration, directory, services, housekeeping, logger, cleanup, monitoring, statuses }
  await startEventRelay(parts)
  await startReplicator(parts)
  const jobs = startJobProcess(parts)
  cleanup.defer(() => jobs.stop())
  const { port, audit } = pool ? await serveWithWorkers(pool, parts) : await serveInProcess(parts)
  const health = healthOf(parts)
  if (configuration.healthAddress) await startHealth(configuration.healthAddress, health, parts)
  const sources: StatusSources = { ...services.status, health: () => health.report(), ...(audit && { audit }) }
  const collect = async () =>
    await Promise.all([processStatus('supervisor', `supervisor-${process.pid}`, sources), statuses.collect()])
  const statusSocket = await startStatusSocket(directory.path, async () => (await collect()).flat(), logger)
  cleanup.defer(() => statusSocket.stop())
  const caPath = await selfSignedCertificatePath(directory.certsDirectory)
  // Before anybody is told that it is ready, and may tell it to stop.
  const stopping = orderToStop ?? stopSignal()
  process.stdout.write(
    renderBanner({
      configuration,
      port,
      workerCount,
      dataPath: directory.path,
      caPath,
      rootKey,
      credentials,
      isTerminal: process.stdout.isTTY,
    }),
  )
  const isMoved = await orMoved(stopping, services)
  logger.info(isMoved ? 'the metadata was moved: starting anew' : { signal: await stopping }, 'stopping')
  return { isMoved, stopping, port }
}

/** Whether the metadata was moved, and not the order to stop came first. */
async function orMoved(stopping: Promise<unknown>, { mesh }: StoreServices): Promise<boolean> {
  const watching = new AbortController()
  const moved = whenMoved(mesh.use('metadata'), watching.signal)
  const isMoved = await Promise.race([stopping.then(() => false), moved.then(() => true)])
  watching.abort()
  return isMoved
}

interface ServerParts {
  readonly configuration: Configuration
  readonly directory: DataDirectory
  readonly services: StoreServices
  readonly housekeeping: Housekeeping
  readonly logger: Logger
  readonly cleanup: AsyncDisposableStack
  readonly monitoring: Monitoring | undefined
  readonly statuses: ChildStatuses
}

interface Served {
  readonly port: number
  /** Where this process answers requests itself. */
  readonly audit?: () => AuditState
}

/** Ready: the store answers. Before workers listen nobody is told anything. */
function healthOf({ services }: ServerParts): Health {
  const health = new Health()
  const metadata = services.mesh.use('metadata')
  health.running(async () => {
    await metadata.getKeyUse('health')
    return []
  })
  return health
}

async function startHealth(address: HostPort, health: Health, { cleanup, monitoring }: ServerParts): Promise<void> {
  const listener = await startHealthListener(address, health, monitoring?.page)
  cleanup.defer(() => listener.stop())
}

function startJobProcess({
  configuration,
  directory,
  services,
  housekeeping,
  logger,
  monitoring,
  statuses,
}: ServerParts): JobProcess {
  const metadata = services.mesh.use('metadata')
  const { metadataDirectory, blobsDirectory } = directory
  const { logLevel, logFormat, kmsFile, blobsFile, dataAlgorithm, inlineSizeBytesMax } = configuration
  return new JobProcess({
    logger,
    hasWork: () => services.jobs.hasWork(),
    startMessage: async (writerId) => {
      await metadata.registerWriter(writerId)
      return {
        kind: 'start',
        directories: { metadataDirectory, metadataServer: metadataServerOf(configuration), blobsDirectory, blobsFile },
        domainKey: services.domainKey.insecureExport(),
        kmsFile,
        writerId,
        metrics: monitoring !== undefined,
        traces: traceSettingsOf(configuration),
        adoption: { dataAlgorithm, inlineSizeBytesMax },
        log: { level: logLevel, json: logFormat === 'json' },
      }
    },
    onGone: async (writerId, hasDied) => {
      await retireWhereKept(metadata, writerId)
      if (hasDied) housekeeping.scrubSoon()
    },
    onStarting(child) {
      statuses.follow('jobs', child)
      monitoring?.children.follow(child)
    },
  })
}

async function startMonitoring(
  metrics: ProcessMetrics,
  directory: DataDirectory,
  services: StoreServices,
  bucketsMax: number,
) {
  const { monitorServer } = await import('./metrics/server-monitoring.ts')
  return monitorServer(metrics, directory, services.mesh, bucketsMax)
}

/** The lock of the data directory says that there is no other. */
async function startEventRelay({ configuration, services, logger, cleanup }: ServerParts): Promise<void> {
  const { targets, close, ...limits } = await openEventTargets(configuration.eventsFile)
  cleanup.defer(close)
  const relay = startRelay({ mesh: services.mesh, logger, targets, ...limits })
  cleanup.defer(() => relay.stop())
}

/** Of those with a file for it; as with events, there is no other. */
async function startReplicator({ configuration, services, logger, cleanup, monitoring }: ServerParts): Promise<void> {
  if (configuration.replicationFile === undefined) return
  const { startReplication } = await import('@coffer/service-rotation/replication')
  const { close, ...options } = await openReplicationDestinations(configuration.replicationFile)
  cleanup.defer(close)
  const { mesh, blobs } = services
  const observe = monitoring && { observe: monitoring.metrics.replication.settled }
  const replication = startReplication({ mesh, blobs, logger, ...options, ...observe })
  cleanup.defer(() => replication.stop())
}

/** Before the store is opened, so that both load at the same time. */
function forkWorkers(count: number): WorkerPool {
  const cacheDirectory = getCompileCacheDir()
  // Node adds a folder for its version to the directory that it is given.
  if (cacheDirectory) process.env.NODE_COMPILE_CACHE ??= dirname(cacheDirectory)
  return new WorkerPool(count)
}

async function serveWithWorkers(pool: WorkerPool, parts: ServerParts): Promise<Served> {
  const { configuration, directory, services, housekeeping, logger } = parts
  const metadata = services.mesh.use('metadata')
  const { metadataDirectory, blobsDirectory, certsDirectory, auditDirectory } = directory
  parts.cleanup.defer(() => pool.stop(DRAIN_MS))
  onHangUp(parts.cleanup, logger, () => pool.reload())
  const port = await pool.start({
    logger,
    startMessage: async (writerId) => {
      await metadata.registerWriter(writerId)
      return {
        kind: 'start',
        settings: gatewaySettingsOf(configuration),
        directories: {
          metadataDirectory,
          metadataServer: metadataServerOf(configuration),
          blobsDirectory,
          blobsFile: configuration.blobsFile,
          certsDirectory,
          auditDirectory,
        },
        domainKey: services.domainKey.insecureExport(),
        kmsFile: configuration.kmsFile,
        identities: identityOptionsOf(configuration),
        writerId,
        metrics: parts.monitoring !== undefined,
        traces: traceSettingsOf(configuration),
      }
    },
    onGone: async (writerId, hasDied) => {
      await retireWhereKept(metadata, writerId)
      if (hasDied) housekeeping.scrubSoon()
    },
    onStarting(worker) {
      parts.statuses.follow('worker', worker, worker.process.pid)
      parts.monitoring?.children.follow(worker)
    },
  })
  return { port }
}

async function serveInProcess({
  configuration,
  directory,
  services,
  logger,
  cleanup,
  monitoring,
}: ServerParts): Promise<Served> {
  const metadata = services.mesh.use('metadata')
  const writerId = newWriterId()
  await metadata.registerWriter(writerId)
  cleanup.defer(() => retireWhereKept(metadata, writerId))
  const gateway = await startGateway(gatewaySettingsOf(configuration), {
    mesh: services.mesh,
    blobs: services.blobs,
    writerId,
    certsDirectory: directory.certsDirectory,
    auditDirectory: directory.auditDirectory,
    bucketLeaseMs: LOCAL_BUCKET_LEASE_MS,
    logger,
    metrics: monitoring?.metrics,
  })
  cleanup.defer(() => gateway.stop(DRAIN_MS))
  onHangUp(cleanup, logger, () => gateway.reload())
  return { port: gateway.port, audit: () => gateway.audit() }
}

/** Whether a root key has been at work here, so that another must not be made in its place. */
async function isInitialised(location: MetadataLocation): Promise<boolean> {
  if (!location.metadataServer) return (await readdir(location.metadataDirectory)).length > 0
  const store = await openMetadataStore(location)
  return await hasSealedKeys(store).finally(() => store.close())
}

/** The lock says that no other server runs: whoever wrote blobs before is dead, and what it left unfinished is garbage. */
async function retireEarlierWriters(metadata: Pick<MetadataService, 'listWriters' | 'retireWriter'>): Promise<void> {
  for (const writerId of await metadata.listWriters()) await metadata.retireWriter(writerId)
}

/** The default certificate if it is its own CA, so that clients must be given it. */
async function selfSignedCertificatePath(certsDirectory: string): Promise<string | undefined> {
  const { x509 } = await readCertificatePair(certsDirectory, '')
  return x509.checkIssued(x509) ? defaultCertificatePath(certsDirectory) : undefined
}
