import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import type { MetadataService, RotationService, ScrubReport } from '@coffer/contracts'
import { Secret } from '@coffer/crypto-core'
import { CofferError } from '@coffer/errors'
import { createLogger, Mesh } from '@coffer/mesh'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { temporaryDirectory } from '../harness/start-server.ts'
import { type NatsServer, startNats } from './nats-server.ts'

const TABLE = 'iam'
/** Of calls that shall be answered, on however busy a machine, and of those that are not. */
const [PATIENT_MS, HURRIED_MS] = [60_000, 2_000]
const MIB = 1024 * 1024

describeWithPrograms('calls between processes over NATS', ['nats-server', 'openssl'], (programs) => {
  const directory = temporaryDirectory('mesh-calls')
  const meshKey = randomBytes(32)
  let nats: NatsServer
  let caller: Mesh
  let hurried: Mesh
  let provider: Mesh
  let findRecord: MetadataService['findRecord'] = async () => undefined
  let putRecord: MetadataService['putRecord'] = async (_, id, value) => ({ id, value, revision: 1 })

  const start = (requestTimeoutMs = PATIENT_MS) =>
    Mesh.start({
      requestTimeoutMs,
      logger: createLogger({ level: 'silent', name: 'test', json: true }),
      meshKey: Secret.copyOf(meshKey),
      nats: {
        url: nats.url,
        user: nats.user,
        password: Secret.copyOf(Buffer.from(nats.password)),
        tls: { caFile: nats.caFile },
      },
    })
  const offer = async (mesh: Mesh) => {
    const service: Pick<MetadataService, 'findRecord' | 'putRecord'> = {
      findRecord: (...args) => findRecord(...args),
      putRecord: (...args) => putRecord(...args),
    }
    await mesh.provide('metadata', service as MetadataService, ['findRecord', 'putRecord'])
  }

  beforeAll(async () => {
    nats = await startNats({ nats: programs['nats-server'], openssl: programs.openssl }, directory)
    ;[caller, hurried, provider] = await Promise.all([start(), start(HURRIED_MS), start(HURRIED_MS)])
    await offer(provider)
    for (const mesh of [caller, hurried]) await mesh.waitFor(['metadata'], PATIENT_MS)
  })

  afterAll(async () => {
    await caller?.stop()
    await hurried?.stop()
    await provider?.stop()
    await nats?.group.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  it('bring bytes, absent values and numbers as they are', async () => {
    let seen: unknown[] = []
    putRecord = async (table, id, value, expectedRevision) => {
      seen = [table, id, value, expectedRevision]
      return { id, value, revision: 2 ** 40 }
    }
    const value = randomBytes(1_000)
    const answer = await caller.use('metadata').putRecord(TABLE, 'ä/1', value, undefined)
    expect(seen[0]).toBe(TABLE)
    expect(Buffer.from(seen[2] as Uint8Array).equals(value)).toBe(true)
    expect(seen[3]).toBeUndefined()
    expect(answer).toMatchObject({ id: 'ä/1', revision: 2 ** 40 })
    expect(answer.value).toBeInstanceOf(Uint8Array)
    expect(Buffer.from(answer.value).equals(value)).toBe(true)
    findRecord = async () => undefined
    expect(await caller.use('metadata').findRecord(TABLE, 'none')).toBeUndefined()
  })

  it('bring errors of ours with code and details, and nothing of the inside of others', async () => {
    findRecord = async () => {
      throw new CofferError({ code: 'META_RECORD_CHANGED', message: 'changed', details: { revision: 3 } })
    }
    const ours = await caller
      .use('metadata')
      .findRecord(TABLE, 'x')
      .catch((error: unknown) => error)
    expect(ours).toBeInstanceOf(CofferError)
    expect(ours).toMatchObject({ code: 'META_RECORD_CHANGED', message: 'changed', details: { revision: 3 } })
    findRecord = async () => {
      throw new Error('connection string with a password')
    }
    const others = await caller
      .use('metadata')
      .findRecord(TABLE, 'x')
      .catch((error: unknown) => error)
    expect(others).toMatchObject({ code: 'MESH_CALL_FAILED' })
    expect(JSON.stringify(others) + String(others)).not.toContain('password')
  })

  it('end after the time-out, and where nobody offers the service', async () => {
    findRecord = () => new Promise(() => undefined)
    const late = hurried.use('metadata').findRecord(TABLE, 'x')
    await expect(late).rejects.toMatchObject({ code: 'MESH_SERVICE_UNAVAILABLE' })
    await expect(caller.use('rotation').scrub()).rejects.toMatchObject({ code: 'MESH_SERVICE_UNAVAILABLE' })
    await expect(caller.waitFor(['rotation'], 100)).rejects.toMatchObject({ code: 'MESH_SERVICE_UNAVAILABLE' })
  })

  it('refuse to carry a secret that nobody sealed, either way', async () => {
    const bytes = randomBytes(32)
    const unsealed = { id: 'x', value: Secret.copyOf(bytes), revision: 1 } as never
    findRecord = async () => unsealed
    await expect(caller.use('metadata').findRecord(TABLE, 'x')).rejects.toMatchObject({ code: 'MESH_SECRET_IN_CALL' })
    await expect(caller.use('metadata').putRecord(TABLE, 'x', unsealed)).rejects.toMatchObject({
      code: 'MESH_SECRET_IN_CALL',
    })
  })

  it('reach only what a service offers to other processes', async () => {
    findRecord = async () => undefined
    expect(await caller.use('metadata').findRecord(TABLE, 'x')).toBeUndefined()
    await expect(caller.use('metadata').retireWriter('w')).rejects.toMatchObject({ code: 'MESH_SERVICE_UNAVAILABLE' })
  })

  it('carry a key sealed to the process that asked, which alone opens it', async () => {
    const key = randomBytes(32)
    const parcel = provider.parcel(Secret.copyOf(key), caller.recipient(), 'object-key')
    expect(parcel.kind).toBe('sealed')
    expect(caller.unparcel(parcel, 'object-key').equals(Secret.copyOf(key))).toBe(true)
    const ofAnother = provider.parcel(Secret.copyOf(key), caller.recipient(), 'object-key', { key: 'a' })
    expect(() => caller.unparcel(ofAnother, 'object-key', { key: 'b' })).toThrow(
      expect.objectContaining({ code: 'CRYPTO_PARCEL_REFUSED' }),
    )
    expect(() => caller.unparcel(parcel, 'data-key')).toThrow(
      expect.objectContaining({ code: 'CRYPTO_PARCEL_REFUSED' }),
    )
    expect(() => provider.unparcel(parcel, 'object-key')).toThrow(
      expect.objectContaining({ code: 'CRYPTO_PARCEL_REFUSED' }),
    )
  })

  it('reach the process that a key was packed for', async () => {
    findRecord = async (_, id) => ({ id, value: Buffer.from('provider'), revision: 1 })
    const found = await caller.useAt('metadata', provider.recipient()).findRecord(TABLE, 'x')
    expect(Buffer.from(found?.value ?? []).toString()).toBe('provider')
    const nobody = { ...provider.recipient(), processId: 'nobody' }
    await expect(caller.useAt('metadata', nobody).findRecord(TABLE, 'x')).rejects.toMatchObject({
      code: 'MESH_SERVICE_UNAVAILABLE',
    })
  })

  it.each([MIB - 100, 3 * MIB])('bring arguments and answers of %i bytes', async (sizeBytes) => {
    const value = randomBytes(sizeBytes)
    putRecord = async (_, id, stored) => ({ id, value: stored, revision: 1 })
    const answer = await caller.use('metadata').putRecord(TABLE, 'x', value)
    expect(Buffer.from(answer.value).equals(value)).toBe(true)
  })

  it('that are in flight end before their service does', async () => {
    const leaving = await start()
    const begun = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<ScrubReport>()
    const rotation: Pick<RotationService, 'removeGarbage' | 'scrub'> = {
      removeGarbage: async () => 1,
      scrub() {
        begun.resolve()
        return ended.promise
      },
    }
    await leaving.provide('rotation', rotation as RotationService, ['scrub', 'removeGarbage'])
    await caller.waitFor(['rotation'], PATIENT_MS)
    const answer = caller.use('rotation').scrub()
    await begun.promise
    let withdrawn = false
    const withdrawal = leaving.withdraw().then(() => {
      withdrawn = true
    })
    await expect(caller.use('rotation').removeGarbage()).rejects.toMatchObject({ code: 'MESH_SERVICE_UNAVAILABLE' })
    expect(withdrawn).toBe(false)
    ended.resolve({ blobsSeen: 7, orphansRemoved: 0, garbageRemoved: 0, damaged: [], incomplete: [] })
    await withdrawal
    await leaving.stop()
    expect(await answer).toMatchObject({ blobsSeen: 7 })
  })

  it('never fail while one of two processes of a service stops', async () => {
    findRecord = async (_, id) => ({ id, value: new Uint8Array(1), revision: 1 })
    const leaving = await start()
    let answeredByLeaving = 0
    const service: Pick<MetadataService, 'findRecord'> = {
      async findRecord(...args) {
        answeredByLeaving += 1
        return findRecord(...args)
      },
    }
    await leaving.provide('metadata', service as MetadataService, ['findRecord'])
    const call = () => caller.use('metadata').findRecord(TABLE, 'x')
    while (answeredByLeaving < 10) await call()
    let stopped = false
    const callers = Array.from({ length: 32 }, async () => {
      while (!stopped) expect(await call()).toMatchObject({ revision: 1 })
    })
    await leaving.stop()
    stopped = true
    await Promise.all(callers)
  })

  it('go on when the NATS server comes back', async () => {
    findRecord = async (_, id) => ({ id, value: new Uint8Array(1), revision: 5 })
    await nats.group.kill('SIGKILL')
    await expect(hurried.use('metadata').findRecord(TABLE, 'x')).rejects.toMatchObject({
      code: 'MESH_SERVICE_UNAVAILABLE',
    })
    nats = await startNats({ nats: programs['nats-server'], openssl: programs.openssl }, directory, nats)
    const again = () =>
      hurried
        .use('metadata')
        .findRecord(TABLE, 'x')
        .catch(() => undefined)
    await expect.poll(again, { timeout: 60_000 }).toMatchObject({ revision: 5 })
  })
})
