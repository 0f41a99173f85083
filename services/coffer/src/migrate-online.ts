import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Configuration } from '@coffer/config'
import { isCofferError } from '@coffer/errors'
import { type MoveProgress, type MoveReport, moveOnline } from '@coffer/metadata-store/move'
import { type DataDirectory, openDataDirectory } from './data-directory.ts'
import { cofferError } from './errors.ts'
import { MIGRATION_LOCK, tryLock } from './journal-lock.ts'
import { type MetadataServer, metadataServerOf, nextMetadataServerOf, postgresOptionsOf } from './metadata-location.ts'
import { recordedServer } from './metadata-record.ts'
import type { MetadataKind } from './migrate-metadata.ts'
import { sidesBetweenDatabases } from './migration-between-databases.ts'
import { type DatabasePlace, type MigrationSides, sidesOf } from './migration-sides.ts'

/** A migration that is told to end by its journal's going looks there after each step. */
const END_TIMEOUT_MS = 60_000
const END_PAUSE_MS = 100
const JOURNAL_COUNT_MAX = 1_000_000

export interface Route {
  readonly from: MetadataKind
  readonly to: MetadataKind
}

export interface MigrationStatus {
  /** `none`: no migration is under way. `moved`: the last steps are left; run it again. */
  readonly phase: 'none' | 'journaling' | 'fenced' | 'moved'
  readonly isRunning: boolean
  /** Writes wait now and then, since they come faster than they can be copied. */
  readonly isSlowed: boolean
  /** Changes that are not on the other side yet, of what is copied there; counted up to 1,000,000. */
  readonly journaledCount: number
}

/**
 * Moves the metadata while servers use it. Killed at any moment it can be run again, and goes on. Undefined: an earlier run had moved it,
 * and was stopped at its last steps, which are done now. COFFER_METADATA_NOT_MOVED, COFFER_METADATA_IN_USE,
 * COFFER_METADATA_ELSEWHERE.
 */
export async function migrateOnline(
  route: Route,
  configuration: Configuration,
  onProgress: (progress: MoveProgress) => void,
): Promise<MoveReport | undefined> {
  await using cleanup = new AsyncDisposableStack()
  const { directory, sides } = await open(route, configuration, cleanup)
  const release = tryLock(directory.path, MIGRATION_LOCK)
  if (!release) throw cofferError('COFFER_METADATA_IN_USE', 'another migration runs on this data directory')
  cleanup.defer(release)
  await sides.checkOwner()
  const source = await sides.openSource()
  cleanup.defer(() => source.close())
  const state = await source.readMove()
  const id = state?.id ?? randomUUID()
  await sides.check(state)
  if (state === undefined) {
    await sides.prepareTarget(id)
    await source.beginMove(id)
  }
  let report: MoveReport | undefined
  if (state?.phase !== 'moved') {
    const target = await sides.openTarget()
    try {
      report = await moveOnline(source, target, id, onProgress)
    } catch (error) {
      throw notMoved(error)
    } finally {
      await target.close()
    }
  }
  await source.close()
  await sides.handOver(id)
  return report
}

/** Leaves the source as if there had been no migration, and the target empty. COFFER_METADATA_NOT_MOVED once it is moved. */
export async function abandonMigration(route: Route, configuration: Configuration): Promise<void> {
  await using cleanup = new AsyncDisposableStack()
  const { directory, sides } = await open(route, configuration, cleanup)
  await sides.checkOwner()
  const source = await sides.openSource()
  cleanup.defer(() => source.close())
  const state = await source.readMove()
  if (state?.phase === 'moved') {
    throw cofferError('COFFER_METADATA_NOT_MOVED', 'it is too late to abandon it: run it again, then move back')
  }
  if (state) await source.abandonMove()
  const deadline = Date.now() + END_TIMEOUT_MS
  for (;;) {
    const release = tryLock(directory.path, MIGRATION_LOCK)
    if (release) {
      cleanup.defer(release)
      break
    }
    if (Date.now() > deadline)
      throw cofferError('COFFER_METADATA_IN_USE', 'the migration does not end: end its process')
    await pause(END_PAUSE_MS)
  }
  await sides.discardTarget()
}

export async function migrationStatus(route: Route, configuration: Configuration): Promise<MigrationStatus> {
  await using cleanup = new AsyncDisposableStack()
  const { directory, sides } = await open(route, configuration, cleanup)
  const source = await sides.openSource()
  cleanup.defer(() => source.close())
  const state = await source.readMove()
  const isDone = state?.phase === 'moved' && (await sides.incoming()) !== state.id
  const release = tryLock(directory.path, MIGRATION_LOCK)
  release?.()
  return {
    phase: state === undefined || isDone ? 'none' : state.phase,
    isRunning: release === undefined,
    isSlowed: release === undefined && (state?.isSlowed ?? false),
    journaledCount: await source.countJournal(JOURNAL_COUNT_MAX),
  }
}

async function open(
  { from, to }: Route,
  configuration: Configuration,
  cleanup: AsyncDisposableStack,
): Promise<{ readonly directory: DataDirectory; readonly sides: MigrationSides }> {
  const directory = await openDataDirectory(configuration.dataDir, { exclusive: false })
  cleanup.defer(() => directory.release())
  const server = metadataServerOf(configuration) ?? (await recordedServer(directory.metadataDirectory))
  if (!server) throw cofferError('COFFER_METADATA_CONFIGURATION_INVALID', 'give --metadata-url <url>')
  const place = await placeOf(server)
  if (from !== to) return { directory, sides: sidesOf(to, { directory, ...place }) }
  const next = nextMetadataServerOf(configuration)
  if (!next) throw cofferError('COFFER_METADATA_CONFIGURATION_INVALID', 'give --metadata-next-url <url>')
  return { directory, sides: sidesBetweenDatabases({ directory, ...place, next: await placeOf(next) }) }
}

async function placeOf(server: MetadataServer): Promise<DatabasePlace> {
  const options = await postgresOptionsOf(server)
  return { server, settings: { ...options, schema: options.schema ?? 'coffer' } }
}

/** What a failed comparison has found belongs into the message. */
function notMoved(error: unknown): unknown {
  const isOfMove = isCofferError(error, 'META_TRANSFER_FAILED') || isCofferError(error, 'META_STORE_CLOSED')
  if (!isOfMove) return error
  const why = Object.entries(error.details).map(([name, value]) => (name === 'reason' ? value : `${name}: ${value}`))
  return cofferError('COFFER_METADATA_NOT_MOVED', `${why.join('; ')}. It goes on where it was`, {}, { cause: error })
}
