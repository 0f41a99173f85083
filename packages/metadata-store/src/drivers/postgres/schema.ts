import { DATABASE_NAMES, STORE_FORMAT } from '../rows/databases.ts'

/** Tables of rows that are kept whole in the table: a body of 4 KiB in one row, not in four pieces elsewhere. */
const ROWS_KEPT_WHOLE = ['versions', 'bodies']

export interface Migration {
  readonly number: number
  /** Run in one transaction. `schema`: quoted. */
  readonly statements: (schema: string) => readonly string[]
  /** Run after it one by one; a server that does not know one goes on without. */
  readonly tuning?: (schema: string) => readonly string[]
}

/** In order; what has been released is never changed. */
export const MIGRATIONS: readonly Migration[] = [
  {
    number: 1,
    statements: (schema) => [
      ...DATABASE_NAMES.map(
        (name) =>
          `CREATE TABLE ${schema}.${name.replaceAll('-', '_')} (key bytea NOT NULL PRIMARY KEY, value bytea NOT NULL)`,
      ),
      `CREATE TABLE ${schema}.bucket_usage (
        bucket_id bytea NOT NULL, shard int NOT NULL, revision bigint NOT NULL,
        version_count bigint NOT NULL, delete_marker_count bigint NOT NULL, size_bytes bigint NOT NULL,
        PRIMARY KEY (bucket_id, shard))`,
      `CREATE TABLE ${schema}.key_use_counts (
        key_ref bytea NOT NULL, shard int NOT NULL, object_keys bigint NOT NULL, PRIMARY KEY (key_ref, shard))`,
      `CREATE TABLE ${schema}.sessions (id bytea NOT NULL PRIMARY KEY, sequence bigint NOT NULL, seen_at timestamptz NOT NULL)`,
      `CREATE SEQUENCE ${schema}.event_blocks`,
      `INSERT INTO ${schema}.store (name, value) VALUES ('row-format', '${STORE_FORMAT}')`,
    ],
    tuning: (schema) => [
      ...ROWS_KEPT_WHOLE.map((table) => `ALTER TABLE ${schema}.${table} SET (toast_tuple_target = 8160)`),
      ...ROWS_KEPT_WHOLE.map((table) => `ALTER TABLE ${schema}.${table} ALTER COLUMN value SET STORAGE EXTERNAL`),
      ...['bucket_usage', 'key_use_counts', 'sessions'].map(
        (table) => `ALTER TABLE ${schema}.${table} SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02)`,
      ),
    ],
  },
]

export const SCHEMA_NUMBER = MIGRATIONS.length
