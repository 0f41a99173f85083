/** Contends for a lease in the store of the directory that it is given, and says when it holds it. For lease.test.ts. */
import { once } from 'node:events'
import { holdLease } from '@coffer/lease'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'

const [directory = '', leaseMs = ''] = process.argv.slice(2)
const store = await openLmdbStore({ directory })
let writing = 0
let isFreezing = false
holdLease({
  store: {
    findRecord: (...args) => store.findRecord(...args),
    async putRecord(...args) {
      writing += 1
      await store.putRecord(...args).finally(() => {
        writing -= 1
        freezeIfIdle()
      })
    },
  },
  name: 'test',
  leaseMs: Number(leaseMs),
  work: async (held) => {
    process.send?.('held')
    if (!held.aborted) await once(held, 'abort')
    process.send?.('lost')
  },
})
/**
 * Stops as SIGSTOP from outside would, between two writes: in the middle of one LMDB's lock would stay with it, and nobody else
 * could write at all.
 */
function freezeIfIdle(): void {
  if (!isFreezing || writing > 0) return
  isFreezing = false
  process.kill(process.pid, 'SIGSTOP')
}
process.on('message', () => {
  isFreezing = true
  freezeIfIdle()
})
// The parent is gone.
process.on('disconnect', () => process.exit(0))
