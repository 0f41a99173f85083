import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { IamService, KmsService } from '@coffer/contracts'
import { Secret } from '@coffer/crypto-core'
import { createLogger, Mesh } from '@coffer/mesh'
import { CALLS, MESH_ROLES, type MeshRole } from '@coffer/service-coffer/mesh-roles'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { type ProcessGroup, startGroup } from '../harness/process-group.ts'
import { cleanEnvironment, temporaryDirectory } from '../harness/start-server.ts'
import { natsUsers } from '../infra/nats-users.ts'
import { untilListening } from './nats-server.ts'

const PREFIX = 'MOL-coffer'
const PATIENCE = { timeout: 60_000, interval: 50 }

describeWithPrograms('who may say and hear what at NATS', ['nats-server'], (programs) => {
  const directory = temporaryDirectory('nats-roles')
  const passwords = new Map(MESH_ROLES.map((role) => [role, `p${randomBytes(12).toString('hex')}`]))
  let port: number
  let nats: ProcessGroup

  beforeAll(async () => {
    port = await freePort()
    const configuration = join(directory, 'nats.conf')
    writeFileSync(configuration, `listen: "127.0.0.1:${port}"\n${natsUsers()}`, { mode: 0o600 })
    const variables = [...passwords].map(([role, password]) => [`NATS_PASSWORD_${role.toUpperCase()}`, password])
    const env = cleanEnvironment(Object.fromEntries(variables))
    nats = startGroup(programs['nats-server'], ['-c', configuration], { env, cwd: directory })
    await untilListening(nats)
  })
  afterAll(async () => {
    await nats?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  /** What NATS says to these lines of its protocol, of a user. */
  async function errorsOf(role: MeshRole, lines: readonly string[], password = passwords.get(role)): Promise<string[]> {
    const socket: Socket = connect(port, '127.0.0.1')
    let heard = ''
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString()
    })
    await once(socket, 'connect')
    const options = JSON.stringify({ verbose: false, user: role, pass: password, lang: 'test', version: '1' })
    socket.write([`CONNECT ${options}`, ...lines, 'PING', ''].join('\r\n'))
    await expect.poll(() => socket.closed || heard.includes('PONG\r\n'), PATIENCE).toBe(true)
    socket.destroy()
    return heard.split('\r\n').filter((line) => line.startsWith('-ERR'))
  }
  const subscriptions = (subjects: readonly string[]) => subjects.map((subject, index) => `SUB ${subject} ${index}`)
  const messages = (subjects: readonly string[]) => subjects.map((subject) => `PUB ${subject} 0\r\n`)

  it.each(MESH_ROLES)('%s hears nothing that is for another', async (role) => {
    const others = MESH_ROLES.filter((other) => other !== role)
    const packets = ['REQ', 'RES', 'EVENT', 'INFO', 'DISCOVER']
    const subjects = [
      ...['>', '*.>', `${PREFIX}.>`, `${PREFIX}.REQ.>`, `${PREFIX}.REQ.*.*`, `${PREFIX}.RES.>`, `${PREFIX}.RES.*.*`],
      ...['_INBOX.>', '$SYS.>', '$JS.>'],
      ...others.flatMap((other) => packets.map((packet) => `${PREFIX}.${packet}.${other}.*`)),
      ...others.map((other) => `${PREFIX}.REQ.${other}.${randomBytes(4).toString('hex')}`),
    ]
    const errors = await errorsOf(role, subscriptions(subjects))
    expect(errors).toHaveLength(subjects.length)
    for (const error of errors) expect(error).toContain('Permissions Violation for Subscription')
    const own = [`${PREFIX}.RES.${role}.*`, `${PREFIX}.REQ.${role}.*`, `${PREFIX}.INFO`]
    expect(await errorsOf(role, subscriptions(own))).toEqual([])
  })

  it.each(MESH_ROLES)('%s asks only whom it calls, and answers only who calls it', async (role) => {
    const request = (other: MeshRole) => `${PREFIX}.REQ.${other}.some`
    const answer = (other: MeshRole) => `${PREFIX}.RES.${other}.some`
    const calls = (caller: MeshRole, callee: MeshRole) => CALLS[caller].includes(callee)
    const subjects = [
      ...MESH_ROLES.filter((other) => !calls(role, other)).map(request),
      ...MESH_ROLES.filter((other) => !calls(other, role)).map(answer),
      ...MESH_ROLES.map((other) => `${PREFIX}.EVENT.${other}.some`),
      ...[`${PREFIX}.REQB.kms.decrypt`, 'anything', '_INBOX.some', '$SYS.REQ.SERVER.PING', '$JS.API.INFO'],
    ]
    const errors = await errorsOf(role, messages(subjects))
    expect(errors).toHaveLength(subjects.length)
    for (const error of errors) expect(error).toContain('Permissions Violation for Publish')
    const allowed = [
      ...MESH_ROLES.filter((other) => calls(role, other)).map(request),
      ...MESH_ROLES.filter((other) => calls(other, role)).map(answer),
    ]
    expect(await errorsOf(role, messages(allowed))).toEqual([])
  })

  it('lets in nobody without the password, or with that of another', async () => {
    for (const password of ['', 'wrong', passwords.get('operator')]) {
      expect(String(await errorsOf('kms', [], password))).toContain('Authorization Violation')
    }
  })

  async function enter(role: MeshRole): Promise<Mesh> {
    const password = Secret.copyOf(Buffer.from(passwords.get(role) ?? ''))
    return await Mesh.start({
      role,
      logger: createLogger({ level: 'silent', name: 'test', json: true }),
      meshKey: Secret.copyOf(Buffer.alloc(32, 7)),
      nats: { url: `nats://127.0.0.1:${port}`, user: role, password },
      requestTimeoutMs: 5_000,
    })
  }

  it('a service that says it is another one as well is asked for nothing but its own', async () => {
    const asked: string[] = []
    const iamOf = (who: string) =>
      ({
        listAccounts: async () => {
          asked.push(who)
          return []
        },
      }) as unknown as IamService
    const [gateway, metadata, iam] = await Promise.all([enter('gateway'), enter('metadata'), enter('iam')])
    try {
      await metadata.provide('iam', iamOf('metadata'), ['listAccounts'])
      await metadata.provide('kms', {} as KmsService, [])
      await iam.provide('iam', iamOf('iam'), ['listAccounts'])
      await gateway.waitFor(['iam'], PATIENCE.timeout)
      const seen = () => gateway.processes().map(({ processId }) => processId)
      await expect.poll(seen, PATIENCE).toContain(metadata.processId)
      for (let call = 0; call < 20; call++) await gateway.use('iam').listAccounts()
      expect(new Set(asked)).toEqual(new Set(['iam']))
      const offered = gateway.processes().find(({ processId }) => processId === metadata.processId)?.services ?? []
      expect(offered.filter((name) => !name.startsWith('$'))).toEqual([])
    } finally {
      await Promise.all([gateway, metadata, iam].map((mesh) => mesh.stop()))
    }
  })
})
