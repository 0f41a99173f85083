import { justAfter } from '../rows/keys.ts'
import { RowWriter } from '../rows/row.ts'
import type { RowStore, StoreCounters } from '../transfer.ts'
import {
  EVENT_NUMBER_KEY,
  encodeCount,
  encodeUsage,
  keyUseKey,
  readEventNumber,
  readKeyUse,
  readUsage,
  usageKey,
  usageScopeOf,
} from './counters.ts'
import { type Environment, openEnvironment } from './environment.ts'

/** lmdb-js leaves out keys that begin with a zero byte unless it is told where to begin, or to end. */
const FIRST_KEY = Buffer.from([0])
const KEY_USE_PREFIX = 'k'.charCodeAt(0)

/** An LMDB store as its rows. */
export async function openLmdbRows(directory: string): Promise<RowStore> {
  return rowsOf(await openEnvironment({ directory, readOnly: false }))
}

export function rowsOf({ root, databases }: Environment): RowStore {
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
      for (const key of databases[table].getKeys({ reverse: true, end: FIRST_KEY, limit: 1 })) return key
      return undefined
    },
    async readCounters() {
      root.resetReadTxn()
      const usage: StoreCounters['usage'][number][] = []
      const keyUse: StoreCounters['keyUse'][number][] = []
      for (const key of Array.from(databases.counters.getKeys({ start: FIRST_KEY }))) {
        const scope = usageScopeOf(key)
        if (scope !== undefined) usage.push({ scope, usage: readUsage(databases, scope) })
        else if (key[0] === KEY_USE_PREFIX) {
          const keyRef = key.toString('utf8', 1)
          keyUse.push({ keyRef, count: readKeyUse(databases, keyRef) })
        }
      }
      return { usage, keyUse, eventNumber: readEventNumber(databases) }
    },
    async writeCounters({ usage, keyUse, eventNumber }) {
      const rows = new RowWriter()
      const { counters } = databases
      const putCount = (key: Buffer, count: number) => {
        if (count > 0) void counters.put(key, encodeCount(rows, count, key))
      }
      root.transactionSync(() => {
        for (const key of Array.from(counters.getKeys({ start: FIRST_KEY }))) void counters.remove(key)
        for (const { scope, usage: counted } of usage) {
          const key = usageKey(scope)
          void counters.put(key, encodeUsage(rows, counted, key))
        }
        for (const { keyRef, count } of keyUse) putCount(keyUseKey(keyRef), count)
        putCount(EVENT_NUMBER_KEY, eventNumber)
      })
    },
    close: () => root.close(),
  }
}
