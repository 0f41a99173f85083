import type { Configuration } from '@coffer/config'
import type { KmsRecords } from '@coffer/kms'
import { createLogger, type Mesh } from '@coffer/mesh'
import { openDataDirectory } from '../data-directory.ts'
import { assertFips } from '../fips-mode.ts'
import { connectMesh } from '../mesh-connection.ts'
import { bindMetadata, metadataServerOf } from '../metadata-location.ts'
import { forgetSecretVariables } from '../root-account.ts'
import { resolveRootKey } from '../root-key.ts'
import { openSealedStore } from '../sealed-store.ts'
import { openStoreServices } from '../store-services.ts'

const SERVICES_TIMEOUT_MS = 10_000

/** See `withStore`, which loads this file only when a command runs. */
export async function openStoreFor(configuration: Configuration, work: (mesh: Mesh) => Promise<void>): Promise<void> {
  if (configuration.fips) assertFips()
  forgetSecretVariables(process.env)
  const logger = createLogger({
    level: quietLevel(configuration),
    name: 'coffer',
    json: configuration.logFormat === 'json',
  })
  await using cleanup = new AsyncDisposableStack()
  if (configuration.natsUrl !== undefined) {
    const mesh = await connectMesh(configuration, 'operator', logger)
    cleanup.defer(() => mesh.stop())
    await mesh.waitFor(['iam', 'kms', 'rotation'], SERVICES_TIMEOUT_MS)
    return await work(mesh)
  }
  const directory = await openDataDirectory(configuration.dataDir, { exclusive: false })
  cleanup.defer(() => directory.release())
  const metadataServer = metadataServerOf(configuration)
  await bindMetadata(directory, metadataServer)
  const rootKey = await resolveRootKey(configuration, directory.secretsDirectory, true)
  const openDomainKey = (records: KmsRecords) => openSealedStore(rootKey, records)
  const services = await openStoreServices(
    { ...directory, metadataServer, blobsFile: configuration.blobsFile },
    { openDomainKey, kmsFile: configuration.kmsFile },
    logger,
  )
  cleanup.defer(() => services.close())
  await work(services.mesh)
}

/** A command's output is its answer: what services tell of themselves at the start is no part of it. */
function quietLevel({ logLevel }: Configuration): string {
  return logLevel === 'info' ? 'warn' : logLevel
}
