import type { UsageScope } from '../../records.ts'
import type { DatabaseName } from '../rows/databases.ts'
import type { Statement } from './connection.ts'

/**
 * A bucket's counters lie in so many rows, and a transaction changes one of them: with one row, every write to a bucket would
 * wait for the disk after the one before it.
 */
export const SHARD_COUNT = 16
/** A value of the sequence stands for so many event numbers. */
export const EVENT_NUMBERS_PER_BLOCK = 1_024

/**
 * Every statement of the driver. Plain SQL that PostgreSQL, CockroachDB and YugabyteDB have: upserts, row locks, unnest,
 * recursive queries, a sequence.
 */
export class Statements {
  readonly #schema: string
  readonly #known = new Map<string, Statement>()

  constructor(schema: string) {
    this.#schema = schema
  }

  get begin(): Statement {
    return this.#named('begin', () => 'BEGIN ISOLATION LEVEL READ COMMITTED')
  }

  get beginSnapshot(): Statement {
    return this.#named('begin-snapshot', () => 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  }

  get commit(): Statement {
    return this.#named('commit', () => 'COMMIT')
  }

  get rollback(): Statement {
    return this.#named('rollback', () => 'ROLLBACK')
  }

  /* Sessions: what a lost COMMIT is asked about. */
  get addSession(): Statement {
    return this.#named(
      'add-session',
      // FOR SHARE: whoever says that the store is being moved waits for this, or this for them.
      (at) =>
        `INSERT INTO ${at('sessions')} (id, sequence, seen_at, move) SELECT $1, 0, now(), s.value FROM ${at('store')} AS s WHERE s.name = 'move' FOR SHARE`,
    )
  }

  get lockSession(): Statement {
    return this.#named('lock-session', (at) => `${readSession(at('sessions'))} FOR UPDATE`)
  }

  get lookAtSession(): Statement {
    return this.#named('look-at-session', (at) => readSession(at('sessions')))
  }

  get countSession(): Statement {
    return this.#named(
      'count-session',
      (at) => `UPDATE ${at('sessions')} SET sequence = $2, seen_at = now() WHERE id = $1`,
    )
  }

  get endSession(): Statement {
    return this.#named('end-session', (at) => `DELETE FROM ${at('sessions')} WHERE id = $1`)
  }

  get forgetSessions(): Statement {
    return this.#named(
      'forget-sessions',
      (at) => `DELETE FROM ${at('sessions')} WHERE seen_at < now() - INTERVAL '1 day'`,
    )
  }

  /* The journal of a store that is being moved. */
  addToJournal(): Statement {
    return this.#named(
      'add-to-journal',
      (at) =>
        `INSERT INTO ${at('journal')} (session_id, sequence, number, table_number, key) SELECT $1, $2, n, t, k FROM unnest($3::int[], $4::int[], $5::bytea[]) AS new (n, t, k)`,
    )
  }

  readJournal(): Statement {
    return this.#named(
      'read-journal',
      (at) =>
        `SELECT session_id, sequence, number, table_number, key FROM ${at('journal')} ORDER BY session_id, sequence, number LIMIT $1`,
    )
  }

  forgetJournal(): Statement {
    return this.#named(
      'forget-journal',
      (at) =>
        `DELETE FROM ${at('journal')} AS j USING unnest($1::bytea[], $2::bigint[], $3::int[]) AS d (session_id, sequence, number) WHERE j.session_id = d.session_id AND j.sequence = d.sequence AND j.number = d.number`,
    )
  }

  /* Rows. */
  lockRows(table: DatabaseName): Statement {
    // Every commit of a blob reads its writer; only the retirement of one has to wait for them.
    const lock = table === 'writers' ? 'FOR SHARE' : 'FOR UPDATE'
    return this.#named(
      `lock-${table}`,
      (at) => `SELECT key, value FROM ${at(table)} WHERE key = ANY($1::bytea[]) ORDER BY key ${lock}`,
    )
  }

  /** Rows of several tables in one snapshot: an array of keys for each. `withBodies`: those of the heads of the last array too. */
  readRows(tables: readonly DatabaseName[], withBodies: boolean): Statement {
    return this.#named(`read-${tables.join('+')}${withBodies ? '+of-heads' : ''}`, (at) => {
      const selects = tables.map(
        (table, index) =>
          `SELECT '${table}' AS name, key, value FROM ${at(table)} WHERE key = ANY($${index + 1}::bytea[])`,
      )
      if (withBodies) {
        // A row of a version begins: format (1 byte), flags (1), version id (16), which names its row of bodies.
        selects.push(
          `SELECT 'bodies' AS name, b.key, b.value FROM ${at('versions')} v JOIN ${at('bodies')} b ON b.key = substring(v.value FROM 3 FOR 16) WHERE v.key = ANY($${tables.length + 1}::bytea[])`,
        )
      }
      return selects.join(' UNION ALL ')
    })
  }

  readRange(table: DatabaseName, options: { hasEnd: boolean; lock: boolean }): Statement {
    const { hasEnd, lock } = options
    return this.#named(`range-${table}${hasEnd ? '' : '-open'}${lock ? '-lock' : ''}`, (at) => {
      const end = hasEnd ? 'AND key < $3' : ''
      return `SELECT key, value FROM ${at(table)} WHERE key >= $1 ${end} ORDER BY key LIMIT $2 ${lock ? 'FOR UPDATE' : ''}`
    })
  }

  countRange(table: DatabaseName): Statement {
    return this.#named(
      `count-${table}`,
      (at) =>
        `SELECT count(*) AS count FROM (SELECT 1 FROM ${at(table)} WHERE key >= $1 AND key < $2 LIMIT $3) AS found`,
    )
  }

  /**
   * A page of names rolled up at a delimiter, in one round trip: each step seeks the next row, and past a common prefix it
   * seeks behind all that begins with it ($1 from, $2 before, $3 steps, $4 delimiter, $5 its last byte plus one, $6 where in
   * a key the delimiter is looked for). An object key in a row's key ends at the first NUL after the bucket's 16 bytes.
   */
  looseScan(table: DatabaseName): Statement {
    return this.#named(`loose-${table}`, (at) => {
      const nul = "'\\x00'::bytea"
      const step = (row: string, from: string) =>
        `SELECT ${row}.key, ${row}.value, substring(${row}.key FROM 1 FOR position(${nul} IN substring(${row}.key || ${nul} FROM 17)) + 15) AS name FROM ${at(table)} AS ${row} WHERE ${row}.key >= ${from} AND ${row}.key < $2::bytea ORDER BY ${row}.key LIMIT 1`
      const skipOf = (found: string) =>
        `SELECT s.key, CASE WHEN s.found > 0 THEN ''::bytea ELSE s.value END AS value, CASE WHEN s.found > 0 THEN substring(s.key FROM 1 FOR $6::int + s.found + length($4::bytea) - 3) || $5::bytea END AS skip FROM (SELECT key, value, position($4::bytea IN substring(name FROM $6::int)) AS found FROM (${found}) AS r OFFSET 0) AS s`
      return `WITH RECURSIVE page (step, key, value, skip) AS (
        SELECT 1, a.key, a.value, a.skip FROM (${skipOf(step('f', '$1::bytea'))}) AS a
        UNION ALL
        SELECT page.step + 1, b.key, b.value, b.skip FROM page
          CROSS JOIN LATERAL (${skipOf(step('n', `coalesce(page.skip, page.key || ${nul})`))}) AS b
          WHERE page.step < $3::int
      ) SELECT key, value, skip FROM page ORDER BY step`
    })
  }

  insertRows(table: DatabaseName): Statement {
    return this.#named(
      `insert-${table}`,
      (at) =>
        `INSERT INTO ${at(table)} (key, value) SELECT key, value FROM unnest($1::bytea[], $2::bytea[]) AS new (key, value)`,
    )
  }

  putRows(table: DatabaseName): Statement {
    return this.#named(
      `put-${table}`,
      (at) =>
        `INSERT INTO ${at(table)} (key, value) SELECT key, value FROM unnest($1::bytea[], $2::bytea[]) AS new (key, value) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    )
  }

  removeRows(table: DatabaseName): Statement {
    return this.#named(`remove-${table}`, (at) => `DELETE FROM ${at(table)} WHERE key = ANY($1::bytea[])`)
  }

  /* Counters. */
  lockUsage(): Statement {
    return this.#named(
      'lock-usage',
      (at) =>
        `SELECT bucket_id, revision, account_id FROM ${at('bucket_counters')} WHERE bucket_id = ANY($1::bytea[]) AND shard = $2 ORDER BY bucket_id FOR UPDATE`,
    )
  }

  fenceBucket(): Statement {
    return this.#named(
      'fence-bucket',
      (at) => `SELECT revision FROM ${at('bucket_counters')} WHERE bucket_id = $1 ORDER BY shard FOR UPDATE`,
    )
  }

  setRevision(): Statement {
    return this.#named(
      'set-revision',
      (at) =>
        `INSERT INTO ${at('bucket_counters')} (bucket_id, shard, revision, account_id, version_count, delete_marker_count, size_bytes, part_bytes) SELECT $1, shard, $2, $3, 0, 0, 0, 0 FROM generate_series(0, ${SHARD_COUNT - 1}) AS shards (shard) ON CONFLICT (bucket_id, shard) DO UPDATE SET revision = excluded.revision`,
    )
  }

  removeUsage(): Statement {
    return this.#named('remove-usage', (at) => `DELETE FROM ${at('bucket_counters')} WHERE bucket_id = $1`)
  }

  addUsage(): Statement {
    return this.#named(
      'add-usage',
      (at) =>
        `UPDATE ${at('bucket_counters')} AS u SET version_count = u.version_count + d.versions, delete_marker_count = u.delete_marker_count + d.markers, size_bytes = u.size_bytes + d.bytes, part_bytes = u.part_bytes + d.part_bytes FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS d (bucket_id, versions, markers, bytes, part_bytes) WHERE u.bucket_id = d.bucket_id AND u.shard = $6`,
    )
  }

  addAccountUsage(): Statement {
    return this.#named(
      'add-account-usage',
      (at) =>
        `INSERT INTO ${at('account_counters')} AS u (account_id, shard, version_count, delete_marker_count, size_bytes, part_bytes) SELECT account_id, $6, versions, markers, bytes, part_bytes FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS d (account_id, versions, markers, bytes, part_bytes) ON CONFLICT (account_id, shard) DO UPDATE SET version_count = u.version_count + excluded.version_count, delete_marker_count = u.delete_marker_count + excluded.delete_marker_count, size_bytes = u.size_bytes + excluded.size_bytes, part_bytes = u.part_bytes + excluded.part_bytes`,
    )
  }

  sumUsage(scope: UsageScope): Statement {
    const [table, id] = 'bucketId' in scope ? ['bucket_counters', 'bucket_id'] : ['account_counters', 'account_id']
    return this.#named(
      `sum-${table}`,
      (at) =>
        `SELECT sum(version_count) AS versions, sum(delete_marker_count) AS markers, sum(size_bytes) AS bytes, sum(part_bytes) AS part_bytes FROM ${at(table)} WHERE ${id} = $1`,
    )
  }

  /** The quotas of buckets and of their accounts: whoever adds to what has one waits here for the others, and then sees what they added. */
  lockQuotas(): Statement {
    return this.#named('lock-quotas', (at) => `${quotasOf(at, 'ANY($1::bytea[])')} ORDER BY key FOR UPDATE`)
  }

  readQuotas(): Statement {
    return this.#named('read-quotas', (at) => `${quotasOf(at, '$1')} ORDER BY key`)
  }

  addKeyUse(): Statement {
    return this.#named(
      'add-key-use',
      (at) =>
        `INSERT INTO ${at('key_use_counts')} AS k (key_ref, shard, object_keys) SELECT key_ref, $3, change FROM unnest($1::bytea[], $2::bigint[]) AS d (key_ref, change) ON CONFLICT (key_ref, shard) DO UPDATE SET object_keys = k.object_keys + excluded.object_keys`,
    )
  }

  sumKeyUse(): Statement {
    return this.#named(
      'sum-key-use',
      (at) => `SELECT coalesce(sum(object_keys), 0) AS count FROM ${at('key_use_counts')} WHERE key_ref = $1`,
    )
  }

  nextEventBlock(): Statement {
    return this.#named('next-event-block', () => `SELECT nextval('"${this.#schema}".event_blocks') AS block`)
  }

  #named(name: string, text: (at: (table: string) => string) => string): Statement {
    let statement = this.#known.get(name)
    if (!statement) {
      statement = { name, text: text((table) => `"${this.#schema}".${table.replaceAll('-', '_')}`) }
      this.#known.set(name, statement)
    }
    return statement
  }
}

/** By the keys that rows/quotas.ts gives them. $2: a shard, in which each bucket has one row. */
function quotasOf(at: (table: string) => string, buckets: string): string {
  const ofBucket = `SELECT '\\x07'::bytea || 'bucket/'::bytea || convert_to(encode(bucket_id, 'hex'), 'UTF8') FROM ${at('bucket_counters')} WHERE bucket_id = ${buckets} AND shard = $2`
  const ofAccount = `SELECT '\\x07'::bytea || 'account/'::bytea || account_id FROM ${at('bucket_counters')} WHERE bucket_id = ${buckets} AND shard = $2`
  return `SELECT key, value FROM ${at('records')} WHERE key IN (${ofBucket} UNION ALL ${ofAccount})`
}

/** With the server's time while the store is being moved. */
function readSession(sessions: string): string {
  return `SELECT sequence, move, CASE WHEN move <> '' THEN extract(epoch FROM clock_timestamp()) * 1000 END AS now_ms FROM ${sessions} WHERE id = $1`
}
