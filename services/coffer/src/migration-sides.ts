import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openLmdbMoveSource, openLmdbMoveTarget } from '@coffer/metadata-store/drivers/lmdb/move'
import type { PostgresStoreOptions } from '@coffer/metadata-store/drivers/postgres'
import {
  emptyPostgresStore,
  isEmptyPostgresStore,
  openPostgresMoveSource,
  openPostgresMoveTarget,
} from '@coffer/metadata-store/drivers/postgres/move'
import {
  claimPostgresStore,
  closePostgresStore,
  countOtherClients,
  endOtherClients,
  findClosed,
  findIncoming,
  setIncoming,
} from '@coffer/metadata-store/drivers/postgres/ownership'
import type { MoveSource, MoveState, MoveTarget } from '@coffer/metadata-store/move'
import { type DataDirectory, serverKeepsJournal } from './data-directory.ts'
import { writeDurably } from './durable-file.ts'
import { cofferError } from './errors.ts'
import { ELSEWHERE_MARKER, isElsewhere, type MetadataServer, markElsewhere } from './metadata-location.ts'
import { readMovedFrom, recordElsewhere, recordMovedFrom } from './metadata-record.ts'
import { INCOMING_MARKER, LMDB_FILES, type MetadataKind } from './migrate-metadata.ts'

/** What an online migration has to know of where it goes from and to. Each step can be repeated. */
export interface MigrationSides {
  openSource(): Promise<MoveSource>
  openTarget(): Promise<MoveTarget>
  /** Refuses a database that is another data directory's, or that holds nothing of this one. Before a side is opened. */
  checkOwner(): Promise<void>
  /** Refuses a migration that cannot be, or that goes elsewhere; `state`: what the source says of the one under way. */
  check(state: MoveState | undefined): Promise<void>
  /** Which move the target is for. */
  incoming(): Promise<string | undefined>
  /** Makes it ready for a new one. Refuses a target that holds a store. */
  prepareTarget(id: string): Promise<void>
  /** The source says `moved`: nobody reads there any more, and the target opens. */
  handOver(id: string): Promise<void>
  discardTarget(): Promise<void>
}

export interface DatabasePlace {
  readonly server: MetadataServer
  readonly settings: PostgresStoreOptions & { readonly schema: string }
}

interface Places extends DatabasePlace {
  readonly directory: DataDirectory
}

export function sidesOf(to: MetadataKind, places: Places): MigrationSides {
  return to === 'postgresql' ? towardsPostgres(places) : towardsLmdb(places)
}

function towardsPostgres({ directory, server, settings }: Places): MigrationSides {
  const { metadataDirectory } = directory
  const incoming = () => findIncoming(settings)
  return {
    openSource: () => openLmdbMoveSource(metadataDirectory),
    openTarget: () => openPostgresMoveTarget(settings),
    incoming,
    checkOwner: async () => requireOwner(await claimPostgresStore(settings, directory.id), directory),
    async check(state) {
      const isThisMove = state !== undefined && (await incoming()) === state.id
      if (isElsewhere(metadataDirectory) && !isThisMove) throw elsewhere('it is on PostgreSQL already')
      if (state !== undefined && !isThisMove)
        throw elsewhere('it is being moved to another database: abandon that first')
      // A server that is starting anew, because it is moved, must find its locks free.
      if (state?.phase !== 'moved' && !serverKeepsJournal(directory)) {
        throw inUse('the server that runs is of an older version, or has just started: restart it with this one')
      }
    },
    prepareTarget: (id) => prepareDatabase(settings, id),
    async handOver() {
      await recordElsewhere(metadataDirectory, server)
      await openDatabase(settings)
    },
    discardTarget: () => discardDatabase(settings),
  }
}

/** Makes a database the target of a move. Refuses one that holds a store, or is used. */
export async function prepareDatabase(settings: DatabasePlace['settings'], id: string): Promise<void> {
  const closed = await findClosed(settings)
  if (closed === 'moving' && (await findIncoming(settings)) === undefined) {
    throw elsewhere('an offline migration into this database was begun: finish that, or give an empty one')
  }
  if (closed === 'moving') await emptyPostgresStore(settings)
  else {
    // First by looking only: it may be the very store that is to be moved.
    if (!(await isEmptyPostgresStore(settings))) throw holdsStore()
    const before = await closePostgresStore(settings, 'moving')
    const others = await countOtherClients(settings, 'store')
    const isEmpty = await isEmptyPostgresStore(settings)
    if (others > 0 || !isEmpty) await closePostgresStore(settings, before)
    if (!isEmpty) throw holdsStore()
    if (others > 0) throw inUse(`the database is used: ${others} connections are open`)
  }
  await setIncoming(settings, id)
}

/** A target that holds everything opens. */
export async function openDatabase(settings: DatabasePlace['settings']): Promise<void> {
  await closePostgresStore(settings, undefined)
  await setIncoming(settings, '')
}

export async function discardDatabase(settings: DatabasePlace['settings']): Promise<void> {
  if ((await findIncoming(settings)) === undefined) return
  await emptyPostgresStore(settings)
  await setIncoming(settings, '')
  await closePostgresStore(settings, undefined)
}

/** Refuses a database that others than processes which keep a journal use, or that is moved offline. */
export async function checkSource(settings: DatabasePlace['settings']): Promise<void> {
  if ((await findClosed(settings)) === 'moving') throw elsewhere('an offline migration was begun: finish that')
  const older = await countOtherClients(settings, 'older')
  if (older > 0) throw inUse(`${older} connections are of processes of an older version: restart them with this one`)
}

function holdsStore(): Error {
  return elsewhere('the database holds a store: give an empty one, or another schema')
}

function towardsLmdb({ directory, server, settings }: Places): MigrationSides {
  const { metadataDirectory } = directory
  const incomingMarker = join(metadataDirectory, INCOMING_MARKER)
  const incoming = async () => {
    const text = await readFile(incomingMarker, 'utf8').catch(() => '')
    return /^move (\S+)\n$/.exec(text)?.[1] ?? (await readMovedFrom(metadataDirectory))?.id
  }
  const removeFiles = async () => {
    for (const name of LMDB_FILES) await rm(join(metadataDirectory, name), { force: true })
  }
  return {
    openSource: () => openPostgresMoveSource(settings),
    openTarget: () => openLmdbMoveTarget(metadataDirectory),
    incoming,
    async checkOwner() {
      // One that a mesh began on, and that is no data directory's yet, becomes this one's.
      const isFree = !isElsewhere(metadataDirectory) && (await readdir(metadataDirectory)).length === 0
      if (!isFree && !isElsewhere(metadataDirectory)) throw elsewhere('it is in the data directory already')
      requireOwner(await claimPostgresStore(settings, isFree ? directory.id : undefined), directory)
      if (isFree) await markElsewhere(metadataDirectory)
    },
    async check(state) {
      if (state !== undefined && (await incoming()) !== state.id) {
        throw elsewhere('it is being moved into files that are not here: abandon that first')
      }
      await checkSource(settings)
    },
    async prepareTarget(id) {
      await rm(incomingMarker, { force: true })
      await removeFiles()
      await writeDurably(incomingMarker, `move ${id}\n`, 0o600)
    },
    async handOver(id) {
      await endOtherClients(settings)
      await recordMovedFrom(metadataDirectory, { id, server })
      await rm(incomingMarker, { force: true })
      await rm(join(metadataDirectory, ELSEWHERE_MARKER), { force: true })
    },
    async discardTarget() {
      // Without the marker they are the store itself.
      if (!isElsewhere(metadataDirectory)) return
      await removeFiles()
      await rm(incomingMarker, { force: true })
    },
  }
}

export function requireOwner(owner: string | undefined, directory: DataDirectory): void {
  if (owner !== directory.id) throw elsewhere('the database belongs to another data directory')
}

export function elsewhere(why: string): Error {
  return cofferError('COFFER_METADATA_ELSEWHERE', why)
}

function inUse(why: string): Error {
  return cofferError('COFFER_METADATA_IN_USE', why)
}
