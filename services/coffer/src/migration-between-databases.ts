import { openPostgresMoveSource, openPostgresMoveTarget } from '@coffer/metadata-store/drivers/postgres/move'
import { claimPostgresStore, endOtherClients, findIncoming } from '@coffer/metadata-store/drivers/postgres/ownership'
import type { DataDirectory } from './data-directory.ts'
import { isElsewhere } from './metadata-location.ts'
import { recordNext } from './metadata-record.ts'
import {
  checkSource,
  type DatabasePlace,
  discardDatabase,
  elsewhere,
  type MigrationSides,
  openDatabase,
  prepareDatabase,
  requireOwner,
} from './migration-sides.ts'

/** From one PostgreSQL database to the next. A store that a mesh began on need not be any data directory's. */
export function sidesBetweenDatabases({
  directory,
  server,
  settings,
  next,
}: DatabasePlace & { readonly directory: DataDirectory; readonly next: DatabasePlace }): MigrationSides {
  const { metadataDirectory } = directory
  const incoming = () => findIncoming(next.settings)
  return {
    openSource: () => openPostgresMoveSource(settings),
    openTarget: () => openPostgresMoveTarget(next.settings),
    incoming,
    async checkOwner() {
      const owner = await claimPostgresStore(settings, undefined)
      if (owner !== undefined) requireOwner(owner, directory)
      const nextOwner = await claimPostgresStore(next.settings, undefined)
      if (nextOwner !== undefined) requireOwner(nextOwner, directory)
      if (owner !== undefined) await claimPostgresStore(next.settings, owner)
    },
    async check(state) {
      const isThisMove = state !== undefined && (await incoming()) === state.id
      if (state?.phase === 'moved' && !isThisMove) throw elsewhere('it was moved from this database already')
      if (state !== undefined && !isThisMove) throw elsewhere('it is being moved elsewhere: abandon that first')
      await checkSource(settings)
    },
    prepareTarget: (id) => prepareDatabase(next.settings, id),
    async handOver(id) {
      await endOtherClients(settings)
      if (isElsewhere(metadataDirectory)) await recordNext(metadataDirectory, { id, server, next: next.server })
      await openDatabase(next.settings)
    },
    discardTarget: () => discardDatabase(next.settings),
  }
}
