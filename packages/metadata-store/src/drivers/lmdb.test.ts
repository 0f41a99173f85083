import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { metadataStoreContract } from '../contract.ts'
import { openLmdbStore } from './lmdb.ts'

metadataStoreContract('LMDB', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'coffer-lmdb-'))
  let store = await openLmdbStore({ directory })
  return {
    store,
    reopen: async () => {
      await store.close()
      store = await openLmdbStore({ directory })
      return store
    },
    dispose: async () => {
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
})
