import { justAfter } from '../rows/keys.ts'
import { RowWriter } from '../rows/row.ts'
import type { RowStore, StoreCounters } from '../transfer.ts'
import {
  EVENT_NUMBER_KEY,
  encodeCounters,
  keyUseKey,
  readEventNumber,
  readKeyUse,
  readUsage,
  usageKey,
} from './counters.ts'
import { openEnvironment } from './environment.ts'

const FIRST_KEY = Buffer.from([0])
const USAGE_PREFIX = 'u'.charCodeAt(0)
const KEY_USE_PREFIX = 'k'.charCodeAt(0)

/** An LMDB store as its rows. */
export async function openLmdbRows(directory: string): Promise<RowStore> {
  const { root, databases } = await openEnvironment({ directory, readOnly: false })
  return {
    async read(table, after, limit) {
      root.resetReadTxn()
      const start = after ? justAfter(after) : FIRST_KEY
      return Array.from(databases[table].getRange({ start, limit }), ({ key, value }) => ({ key, value }))
    },
    async add(table, rows) {
      root.transactionSync(() => {
        for (const { key, value } of rows) void databases[table].put(key, value)
      })
    },
    async lastKey(table) {
      root.resetReadTxn()
      for (const key of databases[table].getKeys({ reverse: true, limit: 1 })) return key
      return undefined
    },
    async readCounters() {
      root.resetReadTxn()
      const usage: StoreCounters['usage'][number][] = []
      const keyUse: StoreCounters['keyUse'][number][] = []
      for (const key of Array.from(databases.counters.getKeys({ start: FIRST_KEY }))) {
        if (key[0] === USAGE_PREFIX) {
          const bucketId = key.toString('hex', 1)
          usage.push({ bucketId, ...readUsage(databases, bucketId) })
        } else if (key[0] === KEY_USE_PREFIX) {
          const keyRef = key.toString('utf8', 1)
          keyUse.push({ keyRef, count: readKeyUse(databases, keyRef) })
        }
      }
      return { usage, keyUse, eventNumber: readEventNumber(databases) }
    },
    async writeCounters({ usage, keyUse, eventNumber }) {
      const rows = new RowWriter()
      const put = (key: Buffer, values: readonly number[]) => {
        if (values.some((value) => value > 0)) void databases.counters.put(key, encodeCounters(rows, values, key))
      }
      root.transactionSync(() => {
        for (const counted of usage) {
          put(usageKey(counted.bucketId), [counted.versionCount, counted.deleteMarkerCount, counted.sizeBytes])
        }
        for (const { keyRef, count } of keyUse) put(keyUseKey(keyRef), [count])
        put(EVENT_NUMBER_KEY, [eventNumber])
      })
    },
    close: () => root.close(),
  }
}
