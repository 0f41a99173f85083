import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EventTarget } from '@coffer/event-targets'
import { eventTargetContract, messageOf } from '@coffer/event-targets/contract'
import { postgresTarget } from '@coffer/event-targets/targets/postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWithPostgres } from '../harness/describe-with-postgres.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { type PostgresServer, startPostgres } from '../harness/postgres-server.ts'
import { CertificateAuthority } from '../kms/certificate-authority.ts'

/** Who the server runs as, where the tests are root's. */
const NOBODY = 65_534

describeWithPostgres('PostgreSQL as an event target', () => {
  describeWithPrograms('', ['openssl'], (programs) => {
    const directory = mkdtempSync(join(tmpdir(), 'coffer-postgres-tls-'))
    let authority: CertificateAuthority
    let postgres: PostgresServer
    beforeAll(async () => {
      authority = new CertificateAuthority(programs.openssl)
      const { certFile, keyFile } = authority.issue('localhost', 'serverAuth')
      chmodSync(directory, 0o755)
      const [ssl_cert_file, ssl_key_file] = [certFile, keyFile].map((file, index) => {
        const copy = join(directory, `server-${index}`)
        copyFileSync(file, copy)
        chmodSync(copy, 0o600)
        if (process.getuid?.() === 0) chownSync(copy, NOBODY, NOBODY)
        return copy
      })
      postgres = await startPostgres({
        ssl: 'on',
        ssl_cert_file: String(ssl_cert_file),
        ssl_key_file: String(ssl_key_file),
      })
    })
    afterAll(async () => {
      await postgres?.stop()
      authority?.dispose()
      rmSync(directory, { recursive: true, force: true })
    })

    const open = (settings: object): Promise<EventTarget> => {
      const url = `postgres://localhost:${postgres.port}/postgres`
      const all = { url, user: 'coffer', passwordFile: postgres.passwordFile, timeoutMs: 20_000, ...settings }
      return postgresTarget.open(postgresTarget.options.parse(all), { name: 'test' })
    }

    eventTargetContract('PostgreSQL over TLS', async () => {
      const target = await open({ caFile: authority.caFile })
      return {
        target,
        async received() {
          const rows = await postgres.run('SELECT body::text FROM coffer_events ORDER BY number')
          return rows.map(({ body }) => String(body))
        },
        stop: () => postgres.kill(),
        start: () => postgres.restart(),
        dispose: () => target.close(),
      }
    })

    test('a message that is sent again is one row', async () => {
      await postgres.run('CREATE SCHEMA hooks')
      const target = await open({ table: 'hooks.once' })
      const message = messageOf('{"once":true}', { createdAt: 1_700_000_000_123, key: 'a\0b' })
      for (const { createdAt } of [message, message, message]) await target.send({ ...message, createdAt })
      await target.send(messageOf('{"other":true}'))
      expect(await postgres.run('SELECT * FROM hooks.once ORDER BY number')).toMatchObject([
        {
          id: message.id,
          created_at: new Date(1_700_000_000_123),
          event: 's3:ObjectCreated:Put',
          bucket: 'photos',
          object_key: null,
          body: { once: true },
        },
        { object_key: 'cat.jpg' },
      ])
      await target.close()
    })

    test('a user who may only insert is enough where the table is there; without it the message is unavailable', async () => {
      await postgres.run(`CREATE ROLE writer LOGIN PASSWORD 'only-inserts'`)
      const settings = { user: 'writer', passwordFile: authority.fileWith('only-inserts'), table: 'hooks.made' }
      const target = await open(settings)
      await expect(target.send(messageOf('{}'))).rejects.toMatchObject({
        code: 'EVENT_TARGET_UNAVAILABLE',
        details: { reason: 'SQLSTATE 42501' },
      })
      await postgres.run('CREATE TABLE hooks.made (LIKE hooks.once INCLUDING ALL)')
      await postgres.run('GRANT USAGE ON SCHEMA hooks TO writer; GRANT INSERT ON hooks.made TO writer')
      // ON CONFLICT (id) looks at the column (SQL INSERT, "Parameters").
      await postgres.run('GRANT SELECT (id) ON hooks.made TO writer')
      await target.send(messageOf('{"n":1}'))
      expect(await postgres.run('SELECT count(*)::int FROM hooks.made')).toEqual([{ count: 1 }])
      // Whoever owns the table decides what it takes.
      await postgres.run(`ALTER TABLE hooks.made ADD CHECK (bucket <> 'secret')`)
      await expect(target.send(messageOf('{}', { bucket: 'secret' }))).rejects.toMatchObject({
        code: 'EVENT_TARGET_REFUSED',
        details: { reason: 'SQLSTATE 23514' },
      })
      await target.close()
    })

    test('a wrong password, and a server that another authority vouches for, are unavailable, and told without a secret', async () => {
      const wrong = await open({ passwordFile: authority.fileWith('wrong-password') })
      const error = await wrong.send(messageOf('{}')).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'EVENT_TARGET_UNAVAILABLE', details: { reason: 'SQLSTATE 28P01' } })
      expect(JSON.stringify(error)).not.toContain('wrong-password')
      const stranger = new CertificateAuthority(programs.openssl)
      const deceived = await open({ caFile: stranger.caFile })
      await expect(deceived.send(messageOf('{}'))).rejects.toMatchObject({ code: 'EVENT_TARGET_UNAVAILABLE' })
      stranger.dispose()
      for (const target of [wrong, deceived]) await target.close()
    })
  })
})

describe('the options of PostgreSQL as an event target', () => {
  test('have no password in an address, and no SQL in the name of a table', () => {
    const fine = { url: 'postgres://db.example.org/events', user: 'coffer' }
    expect(postgresTarget.options.safeParse(fine).success).toBe(true)
    for (const url of [
      'postgres://a:b@db/events',
      'postgres://db/',
      'postgres://db/events?sslmode=disable',
      'https://db/events',
    ]) {
      expect(postgresTarget.options.safeParse({ ...fine, url }).success).toBe(false)
    }
    for (const table of ['a"; DROP TABLE b; --', 'A', 'a.b.c', '']) {
      expect(postgresTarget.options.safeParse({ ...fine, table }).success).toBe(false)
    }
  })
})
