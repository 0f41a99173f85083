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
      `INSERT INTO ${schema}.store (name, value) VALUES ('row-format', '1')`,
    ],
    tuning: (schema) => [
      ...ROWS_KEPT_WHOLE.map((table) => `ALTER TABLE ${schema}.${table} SET (toast_tuple_target = 8160)`),
      ...ROWS_KEPT_WHOLE.map((table) => `ALTER TABLE ${schema}.${table} ALTER COLUMN value SET STORAGE EXTERNAL`),
      ...['bucket_usage', 'key_use_counts', 'sessions'].map(
        (table) => `ALTER TABLE ${schema}.${table} SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02)`,
      ),
    ],
  },
  {
    // Accounts and parts are counted. The table has another name, so that no older process goes on counting without them.
    number: 2,
    statements: (schema) => [
      `CREATE TABLE ${schema}.bucket_counters (
        bucket_id bytea NOT NULL, shard int NOT NULL, revision bigint NOT NULL, account_id bytea NOT NULL,
        version_count bigint NOT NULL, delete_marker_count bigint NOT NULL, size_bytes bigint NOT NULL, part_bytes bigint NOT NULL,
        PRIMARY KEY (bucket_id, shard))`,
      `INSERT INTO ${schema}.bucket_counters
        SELECT u.bucket_id, u.shard, u.revision, o.account_id, u.version_count, u.delete_marker_count, u.size_bytes,
          CASE WHEN u.shard = 0 THEN coalesce(p.part_bytes, 0) ELSE 0 END
        FROM ${schema}.bucket_usage AS u
        JOIN (${ownersOfBuckets(schema)}) AS o ON o.bucket_id = u.bucket_id
        LEFT JOIN (${partsOfBuckets(schema)}) AS p ON p.bucket_id = u.bucket_id`,
      `DROP TABLE ${schema}.bucket_usage`,
      `CREATE TABLE ${schema}.account_counters (
        account_id bytea NOT NULL, shard int NOT NULL,
        version_count bigint NOT NULL, delete_marker_count bigint NOT NULL, size_bytes bigint NOT NULL, part_bytes bigint NOT NULL,
        PRIMARY KEY (account_id, shard))`,
      `INSERT INTO ${schema}.account_counters
        SELECT account_id, shard, sum(version_count), sum(delete_marker_count), sum(size_bytes), sum(part_bytes)
        FROM ${schema}.bucket_counters GROUP BY account_id, shard`,
      `UPDATE ${schema}.store SET value = '${STORE_FORMAT}' WHERE name = 'row-format'`,
    ],
    tuning: (schema) =>
      ['bucket_counters', 'account_counters'].map(
        (table) => `ALTER TABLE ${schema}.${table} SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02)`,
      ),
  },
  {
    // A store that others write while it is moved (journal.ts). Sessions of older processes, which keep no journal, have no `move`.
    number: 3,
    statements: (schema) => [
      `ALTER TABLE ${schema}.sessions ADD COLUMN move text`,
      `CREATE TABLE ${schema}.journal (
        session_id bytea NOT NULL, sequence bigint NOT NULL, number int NOT NULL, table_number int NOT NULL, key bytea NOT NULL,
        PRIMARY KEY (session_id, sequence, number))`,
      `INSERT INTO ${schema}.store (name, value) VALUES ('move', '')`,
    ],
  },
]

export const SCHEMA_NUMBER = MIGRATIONS.length

/** A row of `buckets-by-owner` is account id | 00 | bucket name; one of `buckets`, by name, begins: format (1 byte), bucket id (16). */
function ownersOfBuckets(schema: string): string {
  const nul = `position('\\x00'::bytea IN o.key)`
  return `SELECT substring(b.value FROM 2 FOR 16) AS bucket_id, substring(o.key FROM 1 FOR ${nul} - 1) AS account_id FROM ${schema}.buckets_by_owner AS o JOIN ${schema}.buckets AS b ON b.key = substring(o.key FROM ${nul} + 1)`
}

/** The key of a row of `parts` begins with the bucket's id; the row: format (1 byte), modified (6), size (6, big endian). */
function partsOfBuckets(schema: string): string {
  const size = [7, 8, 9, 10, 11, 12].map((at, index) => `(get_byte(value, ${at})::bigint << ${40 - 8 * index})`)
  return `SELECT substring(key FROM 1 FOR 16) AS bucket_id, sum(${size.join(' + ')}) AS part_bytes FROM ${schema}.parts GROUP BY 1`
}
