/** Contends for a lease in the store of the directory that it is given, and says when it holds it. For lease.test.ts. */
import { once } from 'node:events'
import { holdLease } from '@coffer/lease'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'

const [directory = '', leaseMs = ''] = process.argv.slice(2)
const store = await openLmdbStore({ directory })
holdLease({
  store,
  name: 'test',
  leaseMs: Number(leaseMs),
  work: async (held) => {
    process.send?.('held')
    if (!held.aborted) await once(held, 'abort')
    process.send?.('lost')
  },
})
// The parent is gone.
process.on('disconnect', () => process.exit(0))
