import type { PlacedBlobStore } from '@coffer/blob-store'
import { EmbeddedJobQueue } from '@coffer/job-queue/drivers/embedded'
import type { DomainKey } from '@coffer/kms/connectors/local'
import { type Logger, Mesh } from '@coffer/mesh'
import { createCryptoService, provideCrypto } from '@coffer/service-crypto'
import { createEventsService, provideEvents } from '@coffer/service-events'
import { createIamService, provideIam } from '@coffer/service-iam'
import { createKmsService, provideKms } from '@coffer/service-kms'
import { provideMetadata } from '@coffer/service-metadata'
import { createRotationService, provideRotation, type RewrapBatchWorker } from '@coffer/service-rotation'
import { placedBlobs } from './bind-blobs.ts'
import { type BlobLocation, openBlobStores } from './blob-location.ts'
import { type IdentityOptions, openIdentities } from './identities.ts'
import { jobRecordsIn } from './job-records.ts'
import { type KmsConnectorsOptions, openKmsConnectors } from './kms-connectors.ts'
import { kmsRecordsIn } from './kms-records.ts'
import { type MetadataLocation, openMetadataStore } from './metadata-location.ts'
import { blobStoreStates, metadataState } from './status/place-states.ts'
import type { StatusSources } from './status/process-status.ts'
import { watchedStore } from './watched-store.ts'

/** Each request asks whether identities have changed: the metadata store is in this process, and the answer is never old. */
const LOCAL_STALE_MS_MAX = 0

export interface StoreDirectories extends MetadataLocation, BlobLocation {}

/** Every service on one data directory, in this process, reached through a mesh without a network. */
export interface StoreServices {
  readonly mesh: Mesh
  /** Bound to the metadata at their first use. */
  readonly blobs: PlacedBlobStore
  /** Jobs of this store; nobody works here unless told to. */
  readonly jobs: EmbeddedJobQueue
  /** Opens and seals the master keys of the built-in KMS. */
  readonly domainKey: DomainKey
  /** What this process can tell of them. */
  readonly status: Pick<Required<StatusSources>, 'metadata' | 'blobStores' | 'circuits'>
  close(): Promise<void>
}

/** What some of the processes that hold all services need of them. */
export interface ServiceOptions {
  /** Without them nobody logs in here: who answers no requests needs none. */
  readonly identities?: IdentityOptions
  /** Who does the objects of a rewrap that is no job; by default this process. */
  readonly rewrapBatchWith?: (services: Pick<StoreServices, 'mesh' | 'domainKey'>) => RewrapBatchWorker
}

/** KMS_ROOT_KEY_WRONG if the root key is not the one that sealed the store; then nothing has been changed. */
export async function openStoreServices(
  directories: StoreDirectories,
  keys: KmsConnectorsOptions,
  logger: Logger,
  { identities: identityOptions, rewrapBatchWith }: ServiceOptions = {},
): Promise<StoreServices> {
  const identities = identityOptions && (await openIdentities(identityOptions, logger))
  const store = await openMetadataStore(directories)
  try {
    const { domainKey, ...kms } = await openKmsConnectors(keys, kmsRecordsIn(store), logger)
    const configured = await openBlobStores(directories, keys.tracer)
    const mesh = await Mesh.start({ logger, tracer: keys.tracer })
    const blobs = placedBlobs(configured, () => mesh.use('metadata'))
    // One server at a time, and so one machine.
    const jobs = new EmbeddedJobQueue({ records: jobRecordsIn(store), clock: 'shared' })
    await provideMetadata(mesh, watchedStore(store, directories.metadataServer, keys))
    await provideKms(mesh, createKmsService({ mesh, ...kms }))
    await provideCrypto(mesh, createCryptoService({ mesh }))
    const isLocal = directories.metadataServer === undefined
    await provideIam(mesh, createIamService({ mesh, identities, ...(isLocal && { staleMsMax: LOCAL_STALE_MS_MAX }) }))
    await provideEvents(mesh, createEventsService({ mesh }))
    await provideRotation(
      mesh,
      createRotationService({ mesh, blobs, queue: jobs, rewrapBatch: rewrapBatchWith?.({ mesh, domainKey }) }),
    )
    return {
      mesh,
      blobs,
      jobs,
      domainKey,
      status: {
        metadata: metadataState(mesh.use('metadata'), directories),
        blobStores: blobStoreStates(configured, blobs),
        circuits: kms.circuits,
      },
      async close() {
        await jobs.close()
        await mesh.stop()
        await kms.close()
        await blobs.close()
        await store.close()
      },
    }
  } catch (error) {
    await store.close()
    throw error
  }
}
