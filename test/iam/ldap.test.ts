import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { send } from '../harness/raw-request.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { dnOf, GROUPS, PEOPLE, READER, type Slapd, startSlapd } from '../harness/slapd.ts'
import {
  COFFER,
  type CofferServer,
  cleanEnvironment,
  REPOSITORY,
  startServer,
  temporaryDirectory,
} from '../harness/start-server.ts'
import { CertificateAuthority } from '../kms/certificate-authority.ts'
import { callSts, iam, newUser, policy, type SessionKeys, sessionIn } from './query-api.ts'

const ALICE = { uid: 'alice', password: 'correct horse battery staple', groups: ['ops', 'staff'] }
const BOB = { uid: 'bob', password: 'bobs own password', groups: ['staff'] }
const ERIN = { uid: 'erin', password: 'in no group' }
const FEDERATED = { Federated: 'ldap.coffer' }
const ACTION = 'sts:AssumeRoleWithLDAPIdentity'

describeWithPrograms('AssumeRoleWithLDAPIdentity', ['slapd', 'openssl'], ({ slapd, openssl }) => {
  const authority = new CertificateAuthority(openssl)
  const identitiesFile = join(temporaryDirectory('ldap'), 'identities.json')
  let directory: Slapd
  let server: CofferServer
  let account = ''
  let bucket = ''
  const arnOf = (name: string) => `arn:aws:iam::${account}:${name}`
  const login = (LDAPUsername: string, LDAPPassword: string, more: Record<string, string> = {}) =>
    callSts(server, 'AssumeRoleWithLDAPIdentity', { LDAPUsername, LDAPPassword, ...more }, 'none')
  const get = (keys: SessionKeys, Key: string) =>
    s3Client({ ...server, ...keys }).send(new GetObjectCommand({ Bucket: bucket, Key }))

  async function newRole(name: string, Condition: object, ...statements: object[]): Promise<void> {
    const AssumeRolePolicyDocument = policy({ Effect: 'Allow', Principal: FEDERATED, Action: ACTION, Condition })
    await iam(server, 'CreateRole', { RoleName: name, AssumeRolePolicyDocument })
    await iam(server, 'PutRolePolicy', { RoleName: name, PolicyName: 'own', PolicyDocument: policy(...statements) })
  }

  beforeAll(async () => {
    const alternativeNames = ['DNS.1=localhost']
    directory = await startSlapd(slapd, [ALICE, BOB, ERIN], authority.issue('ldap', 'serverAuth', { alternativeNames }))
    writeFileSync(identitiesFile, '{}')
    server = await startServer({
      workers: 1,
      env: { COFFER_IDENTITIES_FILE: identitiesFile, COFFER_AUDIT: 'all' },
    })
    account = (await callSts(server, 'GetCallerIdentity')).text('Account')
    const settings = {
      type: 'ldap',
      url: directory.url,
      caFile: authority.caFile,
      bindDn: READER.dn,
      bindPasswordFile: authority.fileWith(READER.password),
      userBase: PEOPLE,
      groupBase: GROUPS,
      timeoutSeconds: 9,
      rules: [
        { when: { groups: `CN=ops, ${GROUPS.toUpperCase()}` }, assume: arnOf('role/operators') },
        { when: { username: 'erin' }, assume: arnOf('user/erin') },
        { when: { user: `*,${PEOPLE}` }, assume: arnOf('role/staff') },
      ],
    }
    writeFileSync(identitiesFile, JSON.stringify({ directory: settings }))
    await server.stop()
    await server.restart()
    const root = s3Client(server)
    bucket = await newBucket(root)
    for (const Key of ['home/alice/k', 'home/bob/k']) {
      await root.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))
    }
    const group = (name: string) => ({ 'ForAnyValue:StringEquals': { 'ldap:groups': `cn=${name},${GROUPS}` } })
    const reads = (Resource: string) => ({ Effect: 'Allow', Action: 's3:GetObject', Resource })
    await newRole('operators', group('ops'), reads(`arn:aws:s3:::${bucket}/*`))
    await newRole('staff', group('staff'), reads(`arn:aws:s3:::${bucket}/home/\${ldap:username}/*`))
  })
  afterAll(async () => {
    await server?.dispose()
    await directory?.dispose()
    authority.dispose()
  })

  it('gives the role that rules name for a group or a name, if its trust policy lets who it is', async () => {
    const alice = await login('Alice', ALICE.password)
    expect(alice.text('Arn')).toBe(`arn:aws:sts::${account}:assumed-role/operators/alice`)
    await get(sessionIn(alice), 'home/bob/k')
    const bob = sessionIn(await login('bob', BOB.password))
    expect((await callSts(server, 'GetCallerIdentity', {}, bob)).text('Arn')).toContain(':assumed-role/staff/bob')
    await get(bob, 'home/bob/k')
    expect((await failureOf(get(bob, 'home/alice/k'))).code).toBe('AccessDenied')
  })

  it('gives a role that is asked for to whom it trusts', async () => {
    const staff = await login('alice', ALICE.password, { RoleArn: arnOf('role/staff'), RoleSessionName: 'night' })
    expect(staff.text('Arn')).toBe(`arn:aws:sts::${account}:assumed-role/staff/night`)
    for (const name of ['operators', 'no-such-role']) {
      expect(await login('bob', BOB.password, { RoleArn: arnOf(`role/${name}`) })).toMatchObject({
        status: 403,
        code: 'AccessDenied',
      })
    }
  })

  it('makes a user of whom a rule says it', async () => {
    await newUser(server, 'erin')
    const answer = await login('erin', ERIN.password)
    expect((await callSts(server, 'GetCallerIdentity', {}, sessionIn(answer))).text('Arn')).toBe(arnOf('user/erin'))
  })

  it("takes what MinIO's clients send, with everything in the URL", async () => {
    const query = new URLSearchParams({
      Action: 'AssumeRoleWithLDAPIdentity',
      Version: '2011-06-15',
      LDAPUsername: 'bob',
      LDAPPassword: BOB.password,
      DurationSeconds: '900',
    })
    const { status, body } = await send(server, { method: 'POST', path: `/?${query}` })
    expect(status).toBe(200)
    expect(body.toString()).toContain('<AssumeRoleWithLDAPIdentityResult>')
  })

  it('tells a wrong password and a name that nobody has alike', async () => {
    const strip = ({ status, code, body }: Awaited<ReturnType<typeof login>>) => ({
      status,
      code,
      body: body.replace(/<RequestId>.*<\/RequestId>/, ''),
    })
    const wrong = strip(await login('alice', 'guessed'))
    expect(wrong).toMatchObject({ status: 403, code: 'AccessDenied' })
    for (const name of ['nobody', 'al*', '*', 'alice)(uid=*', `${'x'.repeat(1_000)}`, dnOf('alice')]) {
      expect(strip(await login(name, ALICE.password))).toEqual(wrong)
    }
  })

  it.each([
    ['no password', 'alice', '', {}],
    ['no name', '', 'x', {}],
    ['what it does not know', 'alice', ALICE.password, { Surprise: '1' }],
    ['a duration that is too short', 'alice', ALICE.password, { DurationSeconds: '60' }],
  ])('refuses %s', async (_what, name, password, more) => {
    expect(await login(name, password, more)).toMatchObject({ status: 400, code: 'ValidationError' })
  })

  describe('coffer login --ldap', () => {
    it('gives credentials for the password of a file', async () => {
      const env = cleanEnvironment({ AWS_CA_BUNDLE: server.caFile })
      const passwordFile = authority.fileWith(BOB.password)
      const flags = ['--endpoint', server.endpoint, '--ldap', '--username', 'bob', '--password-file', passwordFile]
      const args = [COFFER, 'login', ...flags, '--no-cache', '--format', 'json']
      const { stdout } = await runOrThrow(process.execPath, args, { env, cwd: REPOSITORY })
      await get(JSON.parse(stdout), 'home/bob/k')
    })

    it('asks the person at the terminal, who does not see what is typed', async () => {
      const env = cleanEnvironment({ AWS_CA_BUNDLE: server.caFile })
      const flags = `--endpoint ${server.endpoint} --ldap --username bob --no-cache --format json`
      // A terminal of its own (util-linux): what it shows is what the person sees.
      const command = `${process.execPath} ${COFFER} login ${flags}`
      const terminal = spawn('script', ['-qec', command, '/dev/null'], { env, cwd: REPOSITORY })
      let shown = ''
      terminal.stdout.on('data', (piece: Buffer) => {
        shown += piece.toString()
      })
      const ended = once(terminal, 'close')
      await vi.waitFor(() => expect(shown).toContain('Password of bob: '), { timeout: 60_000 })
      terminal.stdin.write(`x\u007f${BOB.password}\r`)
      await ended
      expect(shown).not.toContain(BOB.password)
      await get(JSON.parse(shown.slice(shown.indexOf('{'))), 'home/bob/k')
    })
  })

  it('leaves no password in logs or in the audit trail, and answers 503 while the directory is away', async () => {
    await directory.stop()
    expect(await login('alice', ALICE.password)).toMatchObject({ status: 503, code: 'ServiceUnavailable' })
    await vi.waitFor(() => expect(server.logs()).toContain('the directory of users cannot be asked'), {
      timeout: 60_000,
    })
    await directory.start()
    expect(await login('alice', ALICE.password)).toMatchObject({ status: 200 })
    const trail = join(server.dataDir, 'audit')
    const written = () => readdirSync(trail).map((name) => readFileSync(join(trail, name), 'utf8'))
    await vi.waitFor(() => expect(written().join()).toContain('AssumeRoleWithLDAPIdentity'), { timeout: 60_000 })
    const all = [server.logs(), ...written()].join('\n')
    for (const { password } of [ALICE, BOB, ERIN, READER]) {
      expect(all).not.toContain(password)
      expect(all).not.toContain(encodeURIComponent(password))
    }
  })
})
