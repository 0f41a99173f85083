import { isCofferError } from '@coffer/errors'

/** Where leases are kept: what the metadata store, and the metadata service, offer for small records. */
export interface LeaseStore {
  findRecord(table: 'jobs', id: string): Promise<{ value: Uint8Array; revision: number } | undefined>
  /** `expectedRevision` 0: must not exist yet. META_RECORD_CHANGED. */
  putRecord(table: 'jobs', id: string, value: Uint8Array, expectedRevision: number): Promise<unknown>
}

const PREFIX = 'lease/'
const FORMAT = 1
/** Given back: whoever comes next need not wait. */
const NOBODY = ''

export interface FoundLease {
  /** Undefined: it is free. */
  readonly holder: string | undefined
  /** Each renewal counts it up: a holder that is alive is known by it, without any clock. */
  readonly revision: number
}

/** The record of one lease, never removed: its revision only grows. */
export class LeaseRecord {
  readonly #store: LeaseStore
  readonly #id: string

  constructor(store: LeaseStore, name: string) {
    this.#store = store
    this.#id = PREFIX + name
  }

  async find(): Promise<FoundLease> {
    const record = await this.#store.findRecord('jobs', this.#id)
    if (record === undefined) return { holder: undefined, revision: 0 }
    return { holder: holderIn(record.value), revision: record.revision }
  }

  /** False: another has changed it meanwhile. Undefined as holder gives it back. */
  async put(holder: string | undefined, expectedRevision: number): Promise<boolean> {
    const value = Buffer.from(JSON.stringify({ format: FORMAT, holder: holder ?? NOBODY }))
    try {
      await this.#store.putRecord('jobs', this.#id, value, expectedRevision)
      return true
    } catch (error) {
      if (isCofferError(error, 'META_RECORD_CHANGED')) return false
      throw error
    }
  }
}

/** A record of a later format counts as held by somebody. */
function holderIn(value: Uint8Array): string | undefined {
  const { format, holder } = JSON.parse(Buffer.from(value).toString()) as { format: number; holder: string }
  if (format !== FORMAT) return `format ${format}`
  return holder === NOBODY ? undefined : holder
}
