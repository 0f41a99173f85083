import { rmSync } from 'node:fs'
import { moveContract } from '@coffer/metadata-store/contract/moves'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'
import { openLmdbMoveSource, openLmdbMoveTarget } from '@coffer/metadata-store/drivers/lmdb/move'
import { openPostgresStore } from '@coffer/metadata-store/drivers/postgres'
import { openPostgresMoveSource, openPostgresMoveTarget } from '@coffer/metadata-store/drivers/postgres/move'
import { closePostgresStore, endOtherClients } from '@coffer/metadata-store/drivers/postgres/ownership'
import { afterAll, beforeAll } from 'vitest'
import { describeWithPostgres } from '../harness/describe-with-postgres.ts'
import { type PostgresServer, startPostgres } from '../harness/postgres-server.ts'
import { temporaryDirectory } from '../harness/start-server.ts'

describeWithPostgres('a move between engines', () => {
  let postgres: PostgresServer
  beforeAll(async () => {
    postgres = await startPostgres()
  })
  afterAll(() => postgres.stop())

  moveContract('LMDB to PostgreSQL', async () => {
    const directory = temporaryDirectory('move')
    const options = postgres.options()
    await closePostgresStore(options, 'moving')
    return {
      openStore: () => openLmdbStore({ directory }),
      openSource: () => openLmdbMoveSource(directory),
      openTarget: () => openPostgresMoveTarget(options),
      async openMoved() {
        await closePostgresStore(options, undefined)
        return await openPostgresStore(options)
      },
      dispose: async () => rmSync(directory, { recursive: true, force: true }),
    }
  })

  moveContract('PostgreSQL to LMDB', async () => {
    const directory = temporaryDirectory('move')
    const options = postgres.options()
    return {
      openStore: () => openPostgresStore(options),
      openSource: () => openPostgresMoveSource(options),
      openTarget: () => openLmdbMoveTarget(directory),
      async openMoved() {
        await endOtherClients(options)
        return await openLmdbStore({ directory })
      },
      dispose: async () => rmSync(directory, { recursive: true, force: true }),
    }
  })
})
