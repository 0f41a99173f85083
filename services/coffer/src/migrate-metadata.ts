import { existsSync } from 'node:fs'
import { rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Configuration } from '@coffer/config'
import { openLmdbRows } from '@coffer/metadata-store/drivers/lmdb/rows'
import {
  claimPostgresStore,
  closePostgresStore,
  countOtherClients,
} from '@coffer/metadata-store/drivers/postgres/ownership'
import { openPostgresRows } from '@coffer/metadata-store/drivers/postgres/rows'
import { type TransferReport, transferRows } from '@coffer/metadata-store/transfer'
import { openDataDirectory } from './data-directory.ts'
import { writeNewFile } from './durable-file.ts'
import { cofferError } from './errors.ts'
import {
  ELSEWHERE_MARKER,
  isElsewhere,
  markElsewhere,
  metadataServerOf,
  postgresOptionsOf,
} from './metadata-location.ts'

/** In the metadata directory while a store is copied into it: an earlier copy was removed, what is there is of this one. */
export const INCOMING_MARKER = 'incoming'
export const LMDB_FILES = ['data.mdb', 'lock.mdb']

export type MetadataKind = 'lmdb' | 'postgresql'

/**
 * Moves the metadata of a data directory that no server runs on. Killed at any moment it can be run again: neither side opens
 * until the copy has been compared. COFFER_METADATA_ELSEWHERE, COFFER_METADATA_IN_USE, META_TRANSFER_FAILED.
 */
export async function migrateMetadata(
  to: MetadataKind,
  configuration: Configuration,
  onProgress: (table: string, rowCount: number) => void,
): Promise<readonly TransferReport[]> {
  const server = metadataServerOf(configuration)
  if (!server) throw cofferError('COFFER_METADATA_CONFIGURATION_INVALID', 'give --metadata-url <url>')
  const options = await postgresOptionsOf(server)
  const settings = { ...options, schema: options.schema ?? 'coffer' }
  await using cleanup = new AsyncDisposableStack()
  const directory = await openDataDirectory(configuration.dataDir, { exclusive: true })
  cleanup.defer(() => directory.release())
  const { metadataDirectory } = directory

  if (to === 'lmdb' && !isElsewhere(metadataDirectory)) throw elsewhere('it is in the data directory already')
  const owner = await claimPostgresStore(settings, to === 'postgresql' ? directory.id : undefined)
  if (owner !== directory.id) throw elsewhere('the database belongs to another data directory')
  const before = await closePostgresStore(settings, 'moving')
  if (to === 'postgresql' && isElsewhere(metadataDirectory)) {
    // An earlier run had compared everything, and was stopped at its last step; or there is nothing to do.
    await closePostgresStore(settings, before === 'moving' ? undefined : before)
    if (before === 'moving') return []
    throw elsewhere('it is on PostgreSQL already')
  }
  const others = await countOtherClients(settings, 'all')
  if (others > 0) {
    await closePostgresStore(settings, before)
    throw cofferError('COFFER_METADATA_IN_USE', `stop every Coffer that uses it: ${others} connections are open`)
  }
  if (to === 'lmdb') await prepareIncoming(metadataDirectory)
  const lmdb = await openLmdbRows(metadataDirectory)
  cleanup.defer(() => lmdb.close())
  const postgres = await openPostgresRows(settings, { forReading: to === 'lmdb' })
  cleanup.defer(() => postgres.close())
  if (to === 'postgresql') {
    if (before !== 'moving' && (await postgres.lastKey('records'))) {
      await closePostgresStore(settings, before)
      throw elsewhere('the database holds a store: give an empty one, or another schema')
    }
    const reports = await transferRows(lmdb, postgres, onProgress)
    await markElsewhere(metadataDirectory)
    await closePostgresStore(settings, undefined)
    return reports
  }
  const reports = await transferRows(postgres, lmdb, onProgress)
  await postgres.close()
  await closePostgresStore(settings, 'moved')
  await unlink(join(metadataDirectory, ELSEWHERE_MARKER))
  await unlink(join(metadataDirectory, INCOMING_MARKER))
  return reports
}

async function prepareIncoming(metadataDirectory: string): Promise<void> {
  const marker = join(metadataDirectory, INCOMING_MARKER)
  if (existsSync(marker)) return
  for (const name of LMDB_FILES) await rm(join(metadataDirectory, name), { force: true })
  await writeNewFile(marker, 'Metadata is being copied here.\n', 0o600)
}

function elsewhere(why: string): Error {
  return cofferError('COFFER_METADATA_ELSEWHERE', why)
}
