import type { MetadataStore } from '@coffer/metadata-store'
import { metadataStoreContract } from '@coffer/metadata-store/contract'
import { openPostgresStore } from '@coffer/metadata-store/drivers/postgres'
import { afterAll } from 'vitest'
import { describeWithPostgres } from '../harness/describe-with-postgres.ts'
import { emptyStore, type PostgresServer, startPostgres } from '../harness/postgres-server.ts'

describeWithPostgres('the PostgreSQL driver against PostgreSQL', () => {
  let started: Promise<{ server: PostgresServer; store: MetadataStore }> | undefined
  afterAll(async () => {
    if (!started) return
    const { server, store } = await started
    await store.close()
    await server.stop()
  })
  const start = async () => {
    const server = await startPostgres()
    return { server, store: await openPostgresStore(server.options('coffer')) }
  }

  metadataStoreContract('PostgreSQL', async () => {
    started ??= start()
    const { server, store } = await started
    return {
      store,
      reopen: async () => {
        await store.close()
        started = openPostgresStore(server.options('coffer')).then((reopened) => ({ server, store: reopened }))
        return (await started).store
      },
      dispose: () => emptyStore(server, 'coffer'),
    }
  })
})
