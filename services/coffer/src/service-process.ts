import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { PlacedBlobStore } from '@coffer/blob-store'
import type { Configuration } from '@coffer/config'
import type { ServiceName } from '@coffer/contracts'
import { holdLease } from '@coffer/lease'
import type { Logger, Mesh } from '@coffer/mesh'
import type { MetadataStore } from '@coffer/metadata-store'
import { createCryptoService, provideCrypto } from '@coffer/service-crypto'
import { createEventsService, provideEvents, runRelay } from '@coffer/service-events'
import { createIamService, provideIam } from '@coffer/service-iam'
import { createKmsService, provideKms } from '@coffer/service-kms'
import { provideMetadata } from '@coffer/service-metadata'
import { createJobHandler, createRotationService, provideRotation } from '@coffer/service-rotation'
import { adoptionOptions } from './adopt-source.ts'
import { placedBlobs } from './bind-blobs.ts'
import { openBlobStores } from './blob-location.ts'
import { ensureDefaultCertificate, selfSignedNames } from './certificates/certificate-files.ts'
import { trustCertificatesIn } from './certificates/trust.ts'
import { type DataDirectory, openDataDirectory } from './data-directory.ts'
import { openEventTargets } from './event-targets.ts'
import { assertFips } from './fips-mode.ts'
import { gatewaySettingsOf, startGateway } from './gateway-process.ts'
import { onHangUp } from './hang-up.ts'
import { Health } from './health/health.ts'
import { startHealthListener } from './health/health-listener.ts'
import { startHousekeeping } from './housekeeping.ts'
import { openIdentities } from './identities.ts'
import { openKmsConnectors } from './kms-connectors.ts'
import { hasSealedKeys, kmsRecordsIn } from './kms-records.ts'
import { connectMesh } from './mesh-connection.ts'
import { openJobQueue } from './mesh-job-queue.ts'
import { type MetadataServer, metadataServerOf, nextMetadataServerOf, openMetadataStore } from './metadata-location.ts'
import { settled } from './metadata-record.ts'
import { openMetrics } from './metrics/open-metrics.ts'
import type { ProcessMetrics } from './metrics/process-metrics.ts'
import { showCertificates, showDisks, showEvents, showReplication, showUsage } from './metrics/show-state.ts'
import { isMoved, onceOpen, whenMoved } from './moved-metadata.ts'
import { openReplicationDestinations } from './replication-destinations.ts'
import { ensureRootAccount, forgetSecretVariables } from './root-account.ts'
import { configuredRootCredentials } from './root-credentials.ts'
import { resolveRootKey } from './root-key.ts'
import { openSealedStore } from './sealed-store.ts'
import { blobStoreStates, metadataState } from './status/place-states.ts'
import { processStatus, type StatusSources } from './status/process-status.ts'
import { stopSignal } from './stop-signal.ts'
import { DRAIN_MS } from './supervisor.ts'
import { openTracing, traceSettingsOf } from './tracing/open-tracing.ts'
import { watchedStore } from './watched-store.ts'
import { newWriterId } from './worker-pool.ts'

/** How long a service waits at its start for those that it needs. */
const PEERS_TIMEOUT_MS = 60_000
/** How long a service that is away may take to come, where a probe asks. */
const HEALTH_WAIT_MS = 500
/** How long a service looks where a store that was moved is now, before it leaves that to who starts it again. */
const ELSEWHERE_WAIT_MS = 15_000
/** Clients that use their connections learn within it that this gateway goes. */
const FAREWELL_MS = 2_000
/** In the mesh a gateway may go by a bucket's record for this long, so that a request costs no call for it. */
const MESH_BUCKET_LEASE_MS = 1_000

interface ServiceParts {
  readonly configuration: Configuration
  readonly mesh: Mesh
  readonly logger: Logger
  readonly cleanup: AsyncDisposableStack
  readonly metrics: ProcessMetrics | undefined
  /** Where the process looks for what it tells of itself: filled in by what is started. */
  readonly status: StatusSources
  /** Its store is elsewhere: the process stops in order, and begins anew. */
  readonly moved: () => void
}

interface ServiceStart {
  readonly needs: readonly ServiceName[]
  /** Returns what to tell when it is ready. */
  readonly start: (parts: ServiceParts) => Promise<string>
}

/** What `coffer service <name>` can be. */
export const SERVICES = {
  metadata: { needs: [], start: startMetadata },
  kms: { needs: ['metadata'], start: startKms },
  crypto: { needs: ['metadata', 'kms'], start: startCrypto },
  iam: { needs: ['metadata', 'kms'], start: startIam },
  rotation: { needs: ['metadata', 'kms', 'crypto'], start: startRotation },
  events: { needs: ['metadata', 'crypto'], start: startEvents },
  gateway: { needs: ['metadata', 'kms', 'crypto', 'iam'], start: startGatewayService },
} as const satisfies Record<string, ServiceStart>

export type RunnableService = keyof typeof SERVICES

/**
 * One service in a process of its own, on the mesh. Resolves when it has been told to stop, and has. Where its store is moved
 * (`coffer migrate metadata --online`) it begins anew; it rejects if it can't know where that is.
 */
export async function runService(name: RunnableService, configuration: Configuration): Promise<void> {
  if (configuration.fips) assertFips()
  forgetSecretVariables(process.env)
  endWithStarter()
  let run: ServiceRun | undefined = await serveOnce(name, configuration)
  while (run?.isMoved) {
    const stopping: Promise<NodeJS.Signals> = run.stopping
    run = await onceOpen(() => serveOnce(name, configuration, stopping), stopping, ELSEWHERE_WAIT_MS)
  }
}

interface ServiceRun {
  readonly isMoved: boolean
  readonly stopping: Promise<NodeJS.Signals>
}

/** `orderToStop`: of an earlier run, where there was one. */
async function serveOnce(
  name: RunnableService,
  configuration: Configuration,
  orderToStop?: Promise<NodeJS.Signals>,
): Promise<ServiceRun> {
  const log = { level: configuration.logLevel, name, json: configuration.logFormat === 'json' }
  const { logger, tracer } = await openTracing(traceSettingsOf(configuration), `coffer-${name}`, log)
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(async () => await tracer?.close())
  const health = new Health()
  const metrics = await openMetrics(configuration.healthAddress !== undefined, tracer)
  const page = metrics && (await import('./metrics/metrics-page.ts')).metricsPages(metrics)
  if (configuration.healthAddress) {
    const listener = await startHealthListener(configuration.healthAddress, health, page)
    cleanup.defer(() => listener.stop())
  }
  await trustCertificatesIn(join(configuration.dataDir, 'certs'))
  const mesh = await connectMesh(configuration, name, logger, { metrics, tracer })
  cleanup.defer(() => mesh.stop())
  const service: ServiceStart = SERVICES[name]
  if (service.needs.length > 0) await mesh.waitFor(service.needs, PEERS_TIMEOUT_MS)
  const status: StatusSources = { health: () => health.report() }
  const moved = Promise.withResolvers<void>()
  const ready = await service.start({ configuration, mesh, logger, cleanup, metrics, status, moved: moved.resolve })
  health.running(() => unreachable(mesh, service.needs))
  await mesh.provide('process', { status: () => processStatus(name, mesh.processId, status) }, ['status'])
  const stopping: Promise<NodeJS.Signals> = orderToStop ?? stopSignal()
  process.stdout.write(`coffer ${name} is ready${ready && `: ${ready}`}\n`)
  const isMoved: boolean = await Promise.race([stopping.then(() => false), moved.promise.then(() => true)])
  health.stopping()
  logger.info(isMoved ? 'the metadata was moved: starting anew' : { signal: await stopping }, 'stopping')
  // Before what the service stands on is closed.
  await mesh.withdraw()
  return { isMoved, stopping }
}

/** Those of the services that this one needs which nobody on the mesh offers now. */
async function unreachable(mesh: Mesh, needs: readonly ServiceName[]): Promise<readonly string[]> {
  const found = await Promise.allSettled(needs.map((name) => mesh.waitFor([name], HEALTH_WAIT_MS)))
  return needs.filter((_, index) => found[index]?.status === 'rejected')
}

/**
 * A process that was started with a channel (`coffer mesh`) ends with who started it, however that ended: at once, since those
 * that an orderly stop needs end too. It is what a power cut is, which loses nothing.
 */
function endWithStarter(): void {
  process.once('disconnect', () => process.exit(1))
  // The channel alone keeps no process running.
  process.channel?.unref()
}

async function startMetadata({
  configuration: given,
  mesh,
  logger,
  cleanup,
  metrics,
  status,
  moved,
}: ServiceParts): Promise<string> {
  const configuration = await settled(given, join(given.dataDir, 'metadata'), (why) => logger.warn(why))
  const metadataServer = metadataServerOf(configuration)
  const watching = new AbortController()
  cleanup.defer(() => watching.abort())
  // Its own store: another service of the mesh may have another one open.
  const endWhenMoved = (store: Pick<MetadataStore, 'getKeyUse'>) => void whenMoved(store, watching.signal).then(moved)
  if (metadataServer) {
    // It keeps nothing of its own: any number of these services share the database.
    const { store: shared, server } = await openShared(metadataServer, nextMetadataServerOf(configuration), logger)
    cleanup.defer(() => shared.close())
    endWhenMoved(shared)
    status.metadata = metadataState(shared, { metadataDirectory: '', metadataServer: server })
    await provideMetadata(mesh, watchedStore(shared, server, { metrics, tracer: mesh.tracer }))
    return server.url
  }
  const directory = await openDataDirectory(configuration.dataDir, { exclusive: true })
  cleanup.defer(() => directory.release())
  const store = await openMetadataStore({ ...directory, metadataServer })
  cleanup.defer(() => store.close())
  endWhenMoved(store)
  status.metadata = metadataState(store, { ...directory, metadataServer })
  await provideMetadata(mesh, watchedStore(store, metadataServer, { metrics, tracer: mesh.tracer }))
  await showDisks(metrics, { metadata: directory.metadataDirectory })
  return directory.path
}

/** On the next server, where the metadata was moved there. */
async function openShared(
  server: MetadataServer,
  next: MetadataServer | undefined,
  logger: Logger,
): Promise<{ readonly store: MetadataStore; readonly server: MetadataServer }> {
  try {
    return { store: await openMetadataStore({ metadataDirectory: '', metadataServer: server }), server }
  } catch (error) {
    if (next === undefined || !isMoved(error)) throw error
    logger.warn(`the metadata was moved to ${next.url}: set COFFER_METADATA_URL to it`)
    return { store: await openMetadataStore({ metadataDirectory: '', metadataServer: next }), server: next }
  }
}

/** The root key stays with this service. Without a configured one it is in this service's own data directory. */
async function startKms({ configuration, mesh, logger, cleanup, metrics, status }: ServiceParts): Promise<string> {
  const metadata = mesh.use('metadata')
  const secretsDirectory = join(configuration.dataDir, 'secrets')
  await ensurePrivate(secretsDirectory)
  const rootKey = await resolveRootKey(configuration, secretsDirectory, await hasSealedKeys(metadata))
  if (rootKey.warning) logger.warn(rootKey.warning)
  const records = kmsRecordsIn(metadata)
  const kms = await openKmsConnectors(
    {
      openDomainKey: () => openSealedStore(rootKey, records),
      kmsFile: configuration.kmsFile,
      metrics,
      tracer: mesh.tracer,
    },
    records,
    logger,
  )
  cleanup.defer(() => kms.close())
  status.circuits = kms.circuits
  await provideKms(mesh, createKmsService({ mesh, ...kms }))
  return `root key ${rootKey.origin}`
}

async function startCrypto({ mesh }: ServiceParts): Promise<string> {
  await provideCrypto(mesh, createCryptoService({ mesh }))
  return ''
}

async function startIam({ configuration, mesh, logger }: ServiceParts): Promise<string> {
  const iam = createIamService({ mesh, identities: await openIdentities(configuration, logger) })
  const secretsDirectory = join(configuration.dataDir, 'secrets')
  await ensurePrivate(secretsDirectory)
  const credentials = await ensureRootAccount(iam, await configuredRootCredentials(configuration), secretsDirectory)
  await provideIam(mesh, iam)
  return credentials.path ? `root access key ${credentials.accessKeyId} in ${credentials.path}` : ''
}

async function startRotation(parts: ServiceParts): Promise<string> {
  const { configuration, mesh, logger, cleanup, metrics } = parts
  const directory = await openDataDirectory(configuration.dataDir, { exclusive: false })
  cleanup.defer(() => directory.release())
  const metadata = mesh.use('metadata')
  const blobs = await openOwnBlobs(directory, parts)
  const queue = await openJobQueue(configuration, metadata)
  await provideRotation(mesh, createRotationService({ mesh, blobs, queue }))
  const writerId = newWriterId()
  await metadata.registerWriter(writerId)
  cleanup.defer(async () => await metadata.retireWriter(writerId))
  await showUsage(metrics, mesh, configuration.metricsBuckets)
  const handle = createJobHandler({ mesh, blobs, writerId, adoption: adoptionOptions(configuration) })
  queue.work(metrics?.jobs.counting(handle) ?? handle)
  cleanup.defer(() => queue.close())
  const housekeeping = holdLease({
    store: metadata,
    name: 'housekeeping',
    work: (held) => keepHouseWhile(held, mesh, logger, metrics),
  })
  cleanup.defer(() => housekeeping.stop())
  return await startReplicator(parts, blobs)
}

/** Of all rotation processes one replicates. */
async function startReplicator(
  { configuration, mesh, logger, cleanup, metrics }: Omit<ServiceParts, 'moved'>,
  blobs: PlacedBlobStore,
): Promise<string> {
  if (configuration.replicationFile === undefined) return ''
  const { runReplication } = await import('@coffer/service-rotation/replication')
  const { close, ...options } = await openReplicationDestinations(configuration.replicationFile)
  cleanup.defer(close)
  const replication = holdLease({
    store: mesh.use('metadata'),
    name: 'replication',
    work: (held) =>
      runReplication(held, {
        mesh,
        blobs,
        logger,
        ...options,
        ...(metrics && { observe: metrics.replication.settled }),
      }),
  })
  cleanup.defer(() => replication.stop())
  await showReplication(metrics, mesh)
  return `replicates to ${[...options.destinations.keys()].join(', ')}`
}

/** Of all rotation processes one keeps house: twice at once it would be twice the work, and a key due for rotation rotated twice. */
async function keepHouseWhile(
  held: AbortSignal,
  mesh: Mesh,
  logger: Logger,
  metrics: ProcessMetrics | undefined,
): Promise<void> {
  if (held.aborted) return
  const housekeeping = startHousekeeping(mesh, logger, metrics && ((report) => metrics.scrub.ended(report)))
  await once(held, 'abort')
  await housekeeping.stop()
}

/** Several may run: one of them delivers, the others stand by. */
async function startEvents({ configuration, mesh, logger, cleanup, metrics }: ServiceParts): Promise<string> {
  const { targets, close, ...limits } = await openEventTargets(configuration.eventsFile)
  cleanup.defer(close)
  const events = createEventsService({ mesh })
  await provideEvents(mesh, events)
  await showEvents(metrics, events)
  const relay = holdLease({
    store: mesh.use('metadata'),
    name: 'events-relay',
    work: (held) => runRelay(held, { mesh, logger, targets, ...limits }),
  })
  cleanup.defer(() => relay.stop())
  return [...targets.keys()].join(', ')
}

async function startGatewayService(parts: ServiceParts): Promise<string> {
  const { configuration, mesh, logger, cleanup, metrics } = parts
  const directory = await openDataDirectory(configuration.dataDir, { exclusive: false })
  cleanup.defer(() => directory.release())
  const { address, domains } = configuration
  await ensureDefaultCertificate(directory.certsDirectory, selfSignedNames(address.host, domains))
  const metadata = mesh.use('metadata')
  const blobs = await openOwnBlobs(directory, parts)
  const writerId = newWriterId()
  await metadata.registerWriter(writerId)
  cleanup.defer(async () => await metadata.retireWriter(writerId))
  const gateway = await startGateway(gatewaySettingsOf(configuration), {
    mesh,
    blobs,
    writerId,
    certsDirectory: directory.certsDirectory,
    auditDirectory: directory.auditDirectory,
    bucketLeaseMs: MESH_BUCKET_LEASE_MS,
    logger,
    metrics,
  })
  cleanup.defer(() => gateway.stop(DRAIN_MS, FAREWELL_MS))
  parts.status.audit = () => gateway.audit()
  await showDisks(metrics, { blobs: directory.blobsDirectory, audit: directory.auditDirectory })
  await showCertificates(metrics, directory.certsDirectory)
  onHangUp(cleanup, logger, () => gateway.reload())
  return `port ${gateway.port}`
}

async function openOwnBlobs(
  { blobsDirectory }: DataDirectory,
  { configuration, mesh, cleanup, status }: ServiceParts,
): Promise<PlacedBlobStore> {
  const configured = await openBlobStores({ blobsDirectory, blobsFile: configuration.blobsFile }, mesh.tracer)
  const blobs = placedBlobs(configured, () => mesh.use('metadata'))
  cleanup.defer(() => blobs.close())
  status.blobStores = blobStoreStates(configured, blobs)
  await blobs.places()
  return blobs
}

async function ensurePrivate(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
}
