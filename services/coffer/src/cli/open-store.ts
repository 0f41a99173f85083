import type { Configuration } from '@coffer/config'
import type { KmsRecords } from '@coffer/kms'
import { createLogger, type Mesh } from '@coffer/mesh'
import { rewrapBatchWorker } from '@coffer/service-rotation'
import { openDataDirectory } from '../data-directory.ts'
import { assertFips } from '../fips-mode.ts'
import { connectMesh } from '../mesh-connection.ts'
import { bindMetadata, metadataServerOf } from '../metadata-location.ts'
import { settled } from '../metadata-record.ts'
import { forgetSecretVariables } from '../root-account.ts'
import { resolveRootKey } from '../root-key.ts'
import { openSealedStore } from '../sealed-store.ts'
import { SharedRewraps } from '../shared-rewraps.ts'
import { openStoreServices } from '../store-services.ts'

const SERVICES_TIMEOUT_MS = 10_000
/** A process that is there is heard within a second. */
const LOOK_TIMEOUT_MS = 4_000
const ALL = ['metadata', 'kms', 'crypto', 'iam', 'rotation', 'events', 'process'] as const

/** For who wants to know what is there and what is not. */
interface Patience {
  /** Goes to work without those services that nobody offers. */
  readonly takesWhatIsThere?: boolean
}

/** See `withStore`, which loads this file only when a command runs. */
export async function openStoreFor(
  given: Configuration,
  work: (mesh: Mesh) => Promise<void>,
  { takesWhatIsThere = false }: Patience = {},
): Promise<void> {
  if (given.fips) assertFips()
  forgetSecretVariables(process.env)
  const log = {
    level: takesWhatIsThere ? 'error' : quietLevel(given),
    json: given.logFormat === 'json',
  }
  const logger = createLogger({ ...log, name: 'coffer' })
  await using cleanup = new AsyncDisposableStack()
  if (given.natsUrl !== undefined) {
    const mesh = await connectMesh(given, 'operator', logger)
    cleanup.defer(() => mesh.stop())
    if (takesWhatIsThere) await mesh.waitFor(ALL, LOOK_TIMEOUT_MS).catch(() => undefined)
    else await mesh.waitFor(['iam', 'kms', 'rotation'], SERVICES_TIMEOUT_MS)
    return await work(mesh)
  }
  const directory = await openDataDirectory(given.dataDir, { exclusive: false })
  cleanup.defer(() => directory.release())
  const configuration = await settled(given, directory.metadataDirectory, (why) => logger.warn(why))
  const metadataServer = metadataServerOf(configuration)
  await bindMetadata(directory, metadataServer)
  const rootKey = await resolveRootKey(configuration, directory.secretsDirectory, true)
  const openDomainKey = (records: KmsRecords) => openSealedStore(rootKey, records)
  const { blobsFile, kmsFile } = configuration
  const { metadataDirectory, blobsDirectory } = directory
  const directories = { metadataDirectory, metadataServer, blobsDirectory, blobsFile }
  const services = await openStoreServices(directories, { openDomainKey, kmsFile }, logger, {
    rewrapBatchWith({ mesh, domainKey }) {
      // As the job process does: a large rewrap is shared with helpers, which are started when there is one.
      const rewraps = new SharedRewraps({
        logger,
        own: rewrapBatchWorker(mesh),
        startMessage: () => ({ directories, domainKey: domainKey.insecureExport(), kmsFile, log }),
      })
      cleanup.defer(async () => rewraps.close())
      return rewraps.work
    },
  })
  cleanup.defer(() => services.close())
  await work(services.mesh)
}

/** A command's output is its answer: what services tell of themselves at the start is no part of it. */
function quietLevel({ logLevel }: Configuration): string {
  return logLevel === 'info' ? 'warn' : logLevel
}
