import { CofferError } from '@coffer/errors'
import type { JobRecords } from '../records/job-records.ts'

/** A table of records in memory, with the compare-and-set of the metadata store: for tests. */
export class MemoryJobRecords implements JobRecords {
  readonly rows = new Map<string, { value: Uint8Array; revision: number }>()

  async find(id: string) {
    return this.rows.get(id)
  }

  async put(id: string, value: Uint8Array, expectedRevision: number) {
    const revision = this.rows.get(id)?.revision ?? 0
    if (revision !== expectedRevision) throw new CofferError({ code: 'META_RECORD_CHANGED', message: 'changed' })
    this.rows.set(id, { value, revision: revision + 1 })
  }

  async remove(id: string) {
    this.rows.delete(id)
  }

  async list({ prefix, afterId, limit }: { prefix: string; afterId: string; limit: number }) {
    const ids = [...this.rows.keys()].filter((id) => id.startsWith(prefix) && id > afterId).sort()
    return ids.slice(0, limit).map((id) => ({ id, value: this.rows.get(id)?.value ?? new Uint8Array(0) }))
  }
}

/** A store that nothing of a dead process reaches any more. */
export function cuttable(records: JobRecords, cut: { readonly isCut: boolean }): JobRecords {
  const unlessCut = async <T>(act: () => Promise<T>): Promise<T> => {
    if (cut.isCut) throw new Error('dead')
    return act()
  }
  return {
    find: (id) => unlessCut(() => records.find(id)),
    put: (id, value, revision) => unlessCut(() => records.put(id, value, revision)),
    remove: (id) => unlessCut(() => records.remove(id)),
    list: (query) => unlessCut(() => records.list(query)),
  }
}

/** As a process writes whose machine has another clock: it is the time in a lease that others see. */
export function skewed(records: JobRecords, clockMs: number): JobRecords {
  return {
    find: (id) => records.find(id),
    remove: (id) => records.remove(id),
    list: (query) => records.list(query),
    put: (id, value, revision) => {
      const { leaseUntil, ...rest } = JSON.parse(Buffer.from(value).toString())
      const there = leaseUntil === undefined ? {} : { leaseUntil: leaseUntil + clockMs }
      return records.put(id, Buffer.from(JSON.stringify({ ...rest, ...there })), revision)
    },
  }
}
