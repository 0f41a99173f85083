import { CofferError } from '@coffer/errors'
import type { KmsRecordChange, RemovableRecords } from '../kms-connector.ts'

/** A table of records in memory, with the compare-and-set of the metadata store: for tests. */
export class MemoryRecords implements RemovableRecords {
  readonly rows = new Map<string, { value: Uint8Array; revision: number }>()

  async find(id: string) {
    return this.rows.get(id)
  }

  async put(id: string, value: Uint8Array, expectedRevision: number) {
    const revision = this.rows.get(id)?.revision ?? 0
    if (revision !== expectedRevision) throw new CofferError({ code: 'META_RECORD_CHANGED', message: 'changed' })
    // A copy, as of any store: whoever puts a secret wipes it.
    this.rows.set(id, { value: Uint8Array.from(value), revision: revision + 1 })
  }

  async list({ prefix, afterId, limit }: { prefix: string; afterId: string; limit: number }) {
    const ids = [...this.rows.keys()].filter((id) => id.startsWith(prefix) && id > afterId).sort()
    return ids.slice(0, limit).map((id) => ({ id, value: this.rows.get(id)?.value ?? new Uint8Array(0) }))
  }

  async remove(id: string) {
    this.rows.delete(id)
  }

  async change(changes: readonly KmsRecordChange[]) {
    for (const { id, expectedRevision } of changes) {
      const isAsExpected = expectedRevision === undefined || expectedRevision === (this.rows.get(id)?.revision ?? 0)
      if (!isAsExpected) throw new CofferError({ code: 'META_RECORD_CHANGED', message: 'changed' })
    }
    for (const { id, value } of changes) {
      if (value === undefined) this.rows.delete(id)
      else this.rows.set(id, { value, revision: (this.rows.get(id)?.revision ?? 0) + 1 })
    }
  }
}
