import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect as connectPlain, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { identityDirectoryContract } from '@coffer/identity-directory/contract'
import { ldapDirectory } from '@coffer/identity-directory/directories/ldap'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { dnOf, GROUPS, PEOPLE, READER, type Slapd, startSlapd } from '../harness/slapd.ts'
import { temporaryDirectory } from '../harness/start-server.ts'
import { CertificateAuthority } from '../kms/certificate-authority.ts'

const ALICE = { uid: 'alice', password: 'correct horse battery staple', groups: ['ops', 'staff'] }
const AWKWARD = { uid: 'o*r,(a)\\=b é', password: 'p*)(&$% \\ ü' }
const PEOPLE_THERE = [ALICE, AWKWARD, { uid: 'bob', password: 'bobs own', groups: ['staff'] }]

describeWithPrograms('an LDAP directory', ['slapd', 'openssl'], ({ slapd, openssl }) => {
  const authority = new CertificateAuthority(openssl)
  const bindPasswordFile = authority.fileWith(READER.password)
  const settings = {
    bindDn: READER.dn,
    bindPasswordFile,
    userBase: PEOPLE,
    groupBase: GROUPS,
    caFile: authority.caFile,
  }
  const open = async (more: object) => await ldapDirectory.open(ldapDirectory.options.parse({ ...settings, ...more }))
  const certificate = (names: string[]) => authority.issue('directory', 'serverAuth', { alternativeNames: names })
  const scratch = temporaryDirectory('ldap')
  let server: Slapd
  beforeAll(async () => {
    server = await startSlapd(slapd, PEOPLE_THERE, certificate(['DNS.1=localhost']))
  })
  afterAll(async () => {
    await server?.dispose()
    rmSync(scratch, { recursive: true })
    authority.dispose()
  })

  for (const name of ['ldaps', 'StartTLS'] as const) {
    identityDirectoryContract(name, async () => {
      const own = await startSlapd(slapd, PEOPLE_THERE, certificate(['DNS.1=localhost']))
      return {
        directory: await open({ url: name === 'ldaps' ? own.secureUrl : own.url, timeoutSeconds: 9 }),
        person: {
          username: ALICE.uid,
          password: ALICE.password,
          groups: [`cn=ops,${GROUPS}`, `cn=staff,${GROUPS}`],
        },
        awkward: { username: AWKWARD.uid, password: AWKWARD.password },
        stop: own.stop,
        dispose: own.dispose,
      }
    })
  }

  it('calls people as the directory does, however they write themselves', async () => {
    const directory = await open({ url: server.secureUrl })
    for (const username of ['ALICE', ' alice ', 'aLiCe']) {
      const found = await directory.authenticate(username, ALICE.password)
      expect(found).toMatchObject({ username: 'alice', id: dnOf('alice') })
    }
  })

  it('takes nobody where a filter finds several, and the password of a program', async () => {
    const several = await open({ url: server.secureUrl, userFilter: '(|(uid=%s)(uid=bob))' })
    expect(await several.authenticate('alice', ALICE.password)).toBeUndefined()
    expect(await several.authenticate('bob', 'bobs own')).toMatchObject({ username: 'bob' })
    const { bindPasswordFile: _, ...rest } = settings
    const bindPasswordCommand = [process.execPath, '-e', `process.stdout.write(${JSON.stringify(READER.password)})`]
    const options = { ...rest, bindPasswordCommand, url: server.secureUrl }
    const byCommand = await ldapDirectory.open(ldapDirectory.options.parse(options))
    expect(await byCommand.authenticate('alice', ALICE.password)).toBeDefined()
  })

  it.each([
    ['its own password is not right', { bindPasswordFile: authority.fileWith('another') }],
    ['its own password is not there', { bindPasswordFile: '/nonexistent' }],
    ['nobody else vouches for the server', { caFile: undefined }],
    ['there is no such part of the directory', { userBase: 'ou=nowhere,dc=example,dc=org' }],
  ])('says that it cannot ask where %s, and tells no password', async (_what, more) => {
    const directory = await open({ url: server.secureUrl, ...more })
    const failure = await directory.authenticate('alice', ALICE.password).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'DIRECTORY_UNAVAILABLE' })
    expect(JSON.stringify(failure)).not.toMatch(/correct horse|reads names|another/)
  })

  it.each(['ldaps', 'ldap'])('trusts a server by the name in its certificate alone (%s)', async (scheme) => {
    const other = await startSlapd(slapd, PEOPLE_THERE, certificate(['DNS.1=elsewhere.example.org']))
    try {
      const directory = await open({ url: scheme === 'ldaps' ? other.secureUrl : other.url })
      await expect(directory.authenticate('alice', ALICE.password)).rejects.toMatchObject({
        code: 'DIRECTORY_UNAVAILABLE',
        details: { reason: 'ERR_TLS_CERT_ALTNAME_INVALID' },
      })
    } finally {
      await other.dispose()
    }
  })

  it('sends no password on a connection without TLS, whoever cuts the one with', async () => {
    const proxy = await startCutter(Number(new URL(server.url).port))
    try {
      const url = `ldap://localhost:${proxy.port}`
      const directory = await open({ url })
      expect(await directory.authenticate('alice', ALICE.password)).toBeDefined()
      // TLS is there, and cut while the password of the account that looks people up is fetched.
      const { bindPasswordFile: _, ...rest } = settings
      const [asked, cut] = [join(scratch, 'asked'), join(scratch, 'cut')]
      const slowly = `touch ${asked}; while [ ! -e ${cut} ]; do sleep 0.1; done; printf %s '${READER.password}'`
      const bindPasswordCommand = ['/bin/sh', '-c', slowly]
      const slow = await ldapDirectory.open(ldapDirectory.options.parse({ ...rest, url, bindPasswordCommand }))
      const connectionsBefore = proxy.connectionCount()
      const login = slow.authenticate('alice', ALICE.password).catch((error: unknown) => error)
      await vi.waitFor(() => expect(proxy.connectionCount()).toBe(connectionsBefore + 1), { timeout: 60_000 })
      await vi.waitFor(() => expect(existsSync(asked)).toBe(true), { timeout: 60_000 })
      proxy.cut()
      writeFileSync(cut, '')
      expect(await login).toMatchObject({ code: 'DIRECTORY_UNAVAILABLE' })
      expect(proxy.connectionCount()).toBe(connectionsBefore + 1)
      expect(proxy.seen()).not.toContain(READER.password)
      expect(proxy.seen()).not.toContain(ALICE.password)
    } finally {
      proxy.close()
    }
  })

  it('gives up on a server that never answers', async () => {
    const silent = createServer(() => undefined)
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as AddressInfo
    try {
      for (const scheme of ['ldap', 'ldaps']) {
        const directory = await open({ url: `${scheme}://127.0.0.1:${port}`, timeoutSeconds: 1 })
        await expect(directory.authenticate('alice', 'x')).rejects.toMatchObject({ code: 'DIRECTORY_UNAVAILABLE' })
      }
    } finally {
      silent.close()
    }
  })

  it.each([
    ['passwords in the clear', { url: 'ldap://localhost', startTls: false }],
    ['no password for itself', { bindPasswordFile: undefined }],
    ['two ways to one', { bindPasswordCommand: ['x'] }],
    ['a filter that is the same for all', { userFilter: '(uid=*)' }],
    ['an address of something else', { url: 'http://localhost' }],
    ['a path', { url: 'ldap://localhost/dc=example' }],
  ])('is refused with %s', (_what, more) => {
    const options = { url: 'ldaps://localhost', ...settings, ...more }
    expect(ldapDirectory.options.safeParse(options).success).toBe(false)
  })

  it('is refused with a filter that is none, or authorities that are not there', async () => {
    const invalid = { code: 'DIRECTORY_OPTIONS_INVALID' }
    await expect(open({ url: server.url, userFilter: '(uid=%s' })).rejects.toMatchObject(invalid)
    await expect(open({ url: server.url, caFile: '/nonexistent' })).rejects.toMatchObject(invalid)
    expect(readFileSync(authority.caFile, 'utf8')).toContain('CERTIFICATE')
  })
})

/** Somebody on the way who hears everything, and can cut what is open. */
async function startCutter(target: number) {
  let [connectionCount, heard] = [0, '']
  const sockets = new Set<Socket>()
  const server: Server = createServer((client) => {
    const upstream = connectPlain(target, '127.0.0.1')
    connectionCount++
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (piece) => {
      heard += piece.toString('latin1')
      upstream.write(piece)
    })
    upstream.on('data', (piece) => client.write(piece))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    connectionCount: () => connectionCount,
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    seen: () => heard,
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
