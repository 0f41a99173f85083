import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Configuration } from '@coffer/config'
import { isCofferError } from '@coffer/errors'
import type { KmsRecords } from '@coffer/kms'
import { HANDOVER_MS } from '@coffer/kms/connectors/local'
import { createLogger } from '@coffer/mesh'
import { type DataDirectory, openDataDirectory } from '../data-directory.ts'
import { cofferError } from '../errors.ts'
import { hasSealedKeys, kmsRecordsIn } from '../kms-records.ts'
import { connectMesh } from '../mesh-connection.ts'
import { bindMetadata, metadataServerOf, openMetadataStore } from '../metadata-location.ts'
import { settled } from '../metadata-record.ts'
import { forgetSecretVariables } from '../root-account.ts'
import { resolveRootKey } from '../root-key.ts'
import { type RootKeyRotation, rotateConfiguredRootKey, rotateKeptRootKey } from '../root-key-rotation.ts'

const SERVICES_TIMEOUT_MS = 10_000

/** What holds the records, and whether other processes may have the domain key open. */
interface SealedRecords {
  readonly records: KmsRecords
  readonly handoverMs: number
}

/** On the data directory, or in a mesh where the KMS service has its root key. */
export async function rotateRootKey(
  configuration: Configuration,
  newRootKeyFile: string | undefined,
): Promise<RootKeyRotation> {
  forgetSecretVariables(process.env)
  await using cleanup = new AsyncDisposableStack()
  const secretsDirectory = join(configuration.dataDir, 'secrets')
  const open = configuration.natsUrl === undefined ? openHere : openMesh
  const { records, handoverMs } = await open(configuration, secretsDirectory, cleanup)
  const rootKey = await resolveRootKey(configuration, secretsDirectory, true)
  if (rootKey.keptIn === undefined) {
    if (newRootKeyFile !== undefined) {
      return await rotateConfiguredRootKey(rootKey, newRootKeyFile, records, { secretsDirectory, handoverMs })
    }
    const why = `it comes from ${rootKey.origin}: write a new one (32 random bytes in base64) and give its --new-root-key-file`
    throw cofferError('COFFER_ROOT_KEY_ROTATION_REFUSED', why)
  }
  rootKey.key.wipe()
  rootKey.next?.wipe()
  if (newRootKeyFile === undefined) return await rotateKeptRootKey(rootKey.keptIn, records, handoverMs)
  const why = `it is kept in ${rootKey.keptIn}, where the new one will be: leave out --new-root-key-file`
  throw cofferError('COFFER_ROOT_KEY_ROTATION_REFUSED', why)
}

async function openHere(
  configuration: Configuration,
  _secretsDirectory: string,
  cleanup: AsyncDisposableStack,
): Promise<SealedRecords> {
  const { directory, isAlone } = await openAlone(configuration.dataDir)
  cleanup.defer(() => directory.release())
  // The server tells that its settings are to be changed.
  const metadataServer = metadataServerOf(await settled(configuration, directory.metadataDirectory, () => {}))
  await bindMetadata(directory, metadataServer)
  const store = await openMetadataStore({ ...directory, metadataServer })
  cleanup.defer(() => store.close())
  assertSealed(await hasSealedKeys(store))
  return { records: kmsRecordsIn(store), handoverMs: isAlone ? 0 : HANDOVER_MS }
}

/** Where no server runs, none starts meanwhile, and the new domain key is handed to nobody. */
async function openAlone(path: string): Promise<{ directory: DataDirectory; isAlone: boolean }> {
  try {
    return { directory: await openDataDirectory(path, { exclusive: true }), isAlone: true }
  } catch (error) {
    if (!isCofferError(error, 'DATA_DIRECTORY_IN_USE')) throw error
    return { directory: await openDataDirectory(path, { exclusive: false }), isAlone: false }
  }
}

async function openMesh(
  configuration: Configuration,
  secretsDirectory: string,
  cleanup: AsyncDisposableStack,
): Promise<SealedRecords> {
  const logger = createLogger({ level: 'warn', name: 'coffer', json: configuration.logFormat === 'json' })
  await mkdir(secretsDirectory, { recursive: true, mode: 0o700 })
  const mesh = await connectMesh(configuration, 'operator', logger)
  cleanup.defer(() => mesh.stop())
  await mesh.waitFor(['metadata'], SERVICES_TIMEOUT_MS)
  const metadata = mesh.use('metadata')
  assertSealed(await hasSealedKeys(metadata))
  return { records: kmsRecordsIn(metadata), handoverMs: HANDOVER_MS }
}

function assertSealed(isSealed: boolean): void {
  if (!isSealed) throw cofferError('COFFER_ROOT_KEY_ROTATION_REFUSED', 'nothing has been sealed under a root key yet')
}
