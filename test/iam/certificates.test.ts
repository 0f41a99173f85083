import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import {
  COFFER,
  type CofferServer,
  cleanEnvironment,
  REPOSITORY,
  startServer,
  temporaryDirectory,
} from '../harness/start-server.ts'
import { CertificateAuthority, type IssuedFiles } from '../kms/certificate-authority.ts'
import { callIam, callSts, iam, newUser, policy, type SessionKeys } from './query-api.ts'

const FEDERATED = { Federated: 'certificate.coffer' }
const ACTION = 'sts:AssumeRoleWithCertificate'
const PATIENCE = { timeout: 60_000, interval: 100 }
const PRIVATE = 'for those who are let in'

interface Answer {
  readonly status: number
  readonly code: string
  readonly keys: Required<SessionKeys>
  readonly expiration: number
}

describeWithPrograms('AssumeRoleWithCertificate', ['openssl'], ({ openssl }) => {
  const authority = new CertificateAuthority(openssl)
  const stranger = new CertificateAuthority(openssl)
  const directory = temporaryDirectory('certificates')
  const identitiesFile = join(directory, 'identities.json')
  const crlFile = join(directory, 'revoked.pem')
  const agent = authority.issue('agent-7', 'clientAuth')
  let server: CofferServer
  let account = ''
  let bucket = ''

  const arnOf = (name: string) => `arn:aws:iam::${account}:${name}`
  const agentWith = (files: IssuedFiles | undefined, more: object = {}) =>
    new Agent({
      ca: readFileSync(server.caFile),
      ...(files && { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) }),
      ...more,
    })

  /** As MinIO's clients ask: everything in the URL, and no body. */
  function ask(
    files: IssuedFiles | undefined,
    more: Record<string, string> = {},
    by = agentWith(files),
  ): Promise<Answer> {
    const query = new URLSearchParams({ Action: 'AssumeRoleWithCertificate', Version: '2011-06-15', ...more })
    return new Promise((resolve, reject) => {
      const sent = request(`${server.endpoint}/?${query}`, {
        method: 'POST',
        agent: by,
        headers: { 'content-length': 0 },
      })
      sent.once('error', reject)
      sent.once('response', async (response) => {
        const body = (await response.toArray()).join('')
        const text = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1] ?? ''
        const keys = {
          accessKeyId: text('AccessKeyId'),
          secretAccessKey: text('SecretAccessKey'),
          sessionToken: text('SessionToken'),
        }
        resolve({
          status: response.statusCode ?? 0,
          code: text('Code'),
          keys,
          expiration: Date.parse(text('Expiration')),
        })
      })
      sent.end()
    })
  }

  async function newRole(name: string, Condition: object, ...statements: object[]): Promise<void> {
    const AssumeRolePolicyDocument = policy({ Effect: 'Allow', Principal: FEDERATED, Action: ACTION, Condition })
    await iam(server, 'CreateRole', { RoleName: name, AssumeRolePolicyDocument })
    await iam(server, 'PutRolePolicy', { RoleName: name, PolicyName: 'own', PolicyDocument: policy(...statements) })
  }

  const get = (keys: SessionKeys, Key = 'agent-7/k') =>
    s3Client({ ...server, ...keys }).send(new GetObjectCommand({ Bucket: bucket, Key }))

  beforeAll(async () => {
    copyFileSync(authority.revoke([]), crlFile)
    writeFileSync(identitiesFile, '{}')
    server = await startServer({
      workers: 1,
      env: {
        COFFER_CLIENT_CERTIFICATES: 'optional',
        COFFER_CLIENT_CA_FILE: authority.caFile,
        COFFER_CLIENT_CRL_FILE: crlFile,
        COFFER_IDENTITIES_FILE: identitiesFile,
      },
    })
    account = (await callSts(server, 'GetCallerIdentity')).text('Account')
    // Rules name accounts, which there were none of before the first start.
    const certificates = [
      { when: { commonName: 'refused-*' }, assume: arnOf('role/for-others') },
      { when: { commonName: ['agent-?', 'refused-*'], issuer: 'authority' }, assume: arnOf('role/agents') },
      { when: { organization: 'People', email: 'bob@example.org' }, assume: arnOf('user/bob') },
    ]
    writeFileSync(identitiesFile, JSON.stringify({ certificates }))
    await server.stop()
    await server.restart()
    const root = s3Client(server)
    bucket = await newBucket(root)
    for (const Key of ['agent-7/k', 'agent-8/k']) {
      await root.send(new PutObjectCommand({ Bucket: bucket, Key, Body: PRIVATE }))
    }
    const own = `arn:aws:s3:::${bucket}/\${certificate:CommonName}/*`
    const reads = { Effect: 'Allow', Action: 's3:GetObject', Resource: own }
    await newRole('agents', { StringLike: { 'certificate:CommonName': ['agent-*', 'refused-*'] } }, reads)
    await newRole('for-others', { StringEquals: { 'certificate:CommonName': 'somebody-else' } }, reads)
    const uri = { StringEquals: { 'certificate:Uri': 'spiffe://example.org/admin' } }
    await newRole('admins', uri, { Effect: 'Allow', Action: 's3:*', Resource: '*' })
  })
  afterAll(async () => {
    await server?.dispose()
    authority.dispose()
    stranger.dispose()
  })

  it('gives the role that a rule names, if its trust policy lets the certificate, to what the role may', async () => {
    const { keys, status } = await ask(agent)
    expect(status).toBe(200)
    const identity = await callSts(server, 'GetCallerIdentity', {}, keys)
    expect(identity.text('Arn')).toBe(`arn:aws:sts::${account}:assumed-role/agents/agent-7`)
    await get(keys)
    expect((await failureOf(get(keys, 'agent-8/k'))).code).toBe('AccessDenied')
    const next = await ask(authority.issue('refused-1', 'clientAuth'))
    expect((await callSts(server, 'GetCallerIdentity', {}, next.keys)).text('Arn')).toContain('assumed-role/agents/')
    expect(await ask(authority.issue('unknown', 'clientAuth'))).toMatchObject({ status: 403, code: 'AccessDenied' })
  })

  it('gives a role that is asked for to whom its trust policy lets, and tells nobody else whether there is one', async () => {
    const RoleArn = arnOf('role/admins')
    const alternativeNames = ['URI.1=spiffe://example.org/admin']
    const admin = authority.issue('someone', 'clientAuth', { alternativeNames })
    const { keys } = await ask(admin, { RoleArn, RoleSessionName: 'night' })
    await get(keys, 'agent-8/k')
    const identity = await callSts(server, 'GetCallerIdentity', {}, keys)
    expect(identity.text('Arn')).toBe(`arn:aws:sts::${account}:assumed-role/admins/night`)
    for (const name of ['admins', 'no-such-role']) {
      expect(await ask(agent, { RoleArn: arnOf(`role/${name}`) })).toMatchObject({ status: 403, code: 'AccessDenied' })
    }
  })

  it('takes no name for several: what looks like another name within one is none', async () => {
    const RoleArn = arnOf('role/admins')
    for (const name of ['x, URI:spiffe://example.org/admin', 'x\\", URI:spiffe://example.org/admin']) {
      const forged = authority.issue('forger', 'clientAuth', { alternativeNames: [`DNS.1="${name}"`] })
      expect(await ask(forged, { RoleArn })).toMatchObject({ status: 403, code: 'AccessDenied' })
    }
    const subject = '/CN=agent-7\\/CN=admin/O=x'
    expect(await ask(authority.issue('', 'clientAuth', { subject }))).toMatchObject({ code: 'AccessDenied' })
  })

  it('makes a user of whom a rule says it, for no longer than the certificate is valid, and without the IAM API', async () => {
    await newUser(server, 'bob')
    await iam(server, 'AttachUserPolicy', {
      UserName: 'bob',
      PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess',
    })
    const subject = '/O=People/CN=Bob'
    const options = { subject, alternativeNames: ['email.1=bob@example.org'], days: 1 }
    const bob = authority.issue('', 'clientAuth', options)
    const { keys, expiration } = await ask(bob, { DurationSeconds: '129600' })
    expect(expiration - Date.now()).toBeLessThanOrEqual(24 * 3_600_000)
    await get(keys)
    expect((await callSts(server, 'GetCallerIdentity', {}, keys)).text('Arn')).toBe(arnOf('user/bob'))
    const { accessKeyId, secretAccessKey, sessionToken } = keys
    const made = await callIam(server, 'CreateAccessKey', {}, { keys: { accessKeyId, secretAccessKey } }, sessionToken)
    expect(made.status).toBe(403)
    const Policy = policy({ Effect: 'Allow', Action: 's3:ListBucket', Resource: '*' })
    expect((await failureOf(get((await ask(bob, { Policy })).keys))).code).toBe('AccessDenied')
  })

  it.each([
    ['no certificate', () => undefined],
    ['one of another authority', () => stranger.issue('agent-7', 'clientAuth')],
    ['one of a server', () => authority.issue('agent-7', 'serverAuth')],
  ])('is refused to who has %s', async (_what, files) => {
    expect(await ask(files())).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect(await ask(files(), { RoleArn: arnOf('role/agents') })).toMatchObject({ status: 403, code: 'AccessDenied' })
  })

  it.each([
    ['a duration that is too short', { DurationSeconds: '899' }],
    ['what it does not know', { Surprise: '1' }],
    ['a name with a space', { RoleSessionName: 'a b' }],
    ['a user in place of a role', { RoleArn: 'nobody' }],
  ])('refuses %s', async (_what, more) => {
    expect(await ask(agent, more)).toMatchObject({ status: 400, code: 'ValidationError' })
  })

  it('forgets who is revoked also on a connection that is open, and in a TLS session that is resumed', async () => {
    const revoked = authority.issue('agent-9', 'clientAuth')
    const open = agentWith(revoked, { keepAlive: true, maxSockets: 1 })
    expect((await ask(revoked, {}, open)).status).toBe(200)
    const session = await sessionOf(revoked)
    expect((await ask(revoked, {}, agentWith(revoked, { session }))).status).toBe(200)
    copyFileSync(authority.revoke([revoked.certFile]), crlFile)
    process.kill(server.pid, 'SIGHUP')
    await vi.waitFor(async () => expect((await ask(revoked)).status).toBe(403), PATIENCE)
    await vi.waitFor(async () => expect((await ask(revoked, {}, open)).status).toBe(403), PATIENCE)
    open.destroy()
    expect((await ask(revoked, {}, agentWith(revoked, { session }))).status).toBe(403)
    expect((await ask(agent)).status).toBe(200)
  })

  /** The ticket of a TLS session that the certificate was checked in. */
  function sessionOf(files: IssuedFiles): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const options = { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) }
      const socket: TLSSocket = connect({ port: server.port, ca: readFileSync(server.caFile), ...options })
      socket.once('error', reject)
      socket.once('session', (session) => {
        resolve(session)
        socket.destroy()
      })
      socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    })
  }

  it('is what coffer login asks for, which an AWS client can call by itself', async () => {
    const cache = temporaryDirectory('login-cache')
    const env = cleanEnvironment({ AWS_CA_BUNDLE: server.caFile, XDG_CACHE_HOME: cache })
    const flags = ['--endpoint', server.endpoint, '--client-cert', agent.certFile, '--client-key', agent.keyFile]
    const login = async (...more: string[]) =>
      await runOrThrow(process.execPath, [COFFER, 'login', ...flags, '--format', 'process', ...more], {
        env,
        cwd: REPOSITORY,
      })
    const said = JSON.parse((await login()).stdout)
    expect(said).toMatchObject({ Version: 1 })
    await get({
      accessKeyId: said.AccessKeyId,
      secretAccessKey: said.SecretAccessKey,
      sessionToken: said.SessionToken,
    })
    expect(JSON.parse((await login()).stdout)).toEqual(said)
    await expect(login('--no-cache', '--role-arn', arnOf('role/admins'))).rejects.toThrow('AccessDenied')
    await expect(login('--issuer', 'https://login.example.org')).rejects.toThrow('COFFER_LOGIN_FAILED')
  })
})
