import type { Table } from './table.ts'

/** Version of the rows of every table, and of the counters; a store of a newer one is refused untouched. 2: accounts and parts are counted. */
export const STORE_FORMAT = 2

/** The tables of a store, in whatever keeps them. A driver keeps the counters of use in a way of its own. */
export const DATABASE_NAMES = [
  'buckets',
  'bucket-ids',
  'buckets-by-owner',
  'current',
  'versions',
  'bodies',
  'uploads',
  'parts',
  'blob-refs',
  'garbage',
  'writers',
  'key-use',
  'records',
  'outbox',
] as const

export type DatabaseName = (typeof DATABASE_NAMES)[number]

export type Databases = Readonly<Record<DatabaseName, Table>>
