import type { RotationService } from '@coffer/contracts'
import { Secret } from '@coffer/crypto-core'
import { CofferError } from '@coffer/errors'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLogger } from './logger.ts'
import { Mesh } from './mesh.ts'

const logger = createLogger({ level: 'silent', name: 'test', json: true })
const NOTHING_DONE = { blobsSeen: 0, orphansRemoved: 0, garbageRemoved: 0, damaged: [] }

/** As much of the service as these tests call. */
const ROTATION = { scrub: async () => NOTHING_DONE, removeGarbage: async () => 4 } as unknown as RotationService

describe('the mesh of one process', () => {
  let mesh: Mesh

  beforeEach(async () => {
    mesh = await Mesh.start({ logger })
  })
  afterEach(() => mesh.stop())

  it('calls a service as a function: the same values, the same errors, its own state', async () => {
    const failure = new CofferError({ code: 'META_RECORD_CHANGED', message: 'changed' })
    class Rotation {
      readonly report = NOTHING_DONE
      async scrub() {
        return this.report
      }
      async removeGarbage(): Promise<number> {
        throw failure
      }
    }
    await mesh.provide('rotation', new Rotation() as unknown as RotationService, ['scrub', 'removeGarbage'])
    expect(await mesh.use('rotation').scrub()).toBe(NOTHING_DONE)
    await expect(mesh.use('rotation').removeGarbage()).rejects.toBe(failure)
  })

  it('finds a service that is offered after its client was made', async () => {
    const rotation = mesh.use('rotation')
    await expect(rotation.scrub()).rejects.toMatchObject({ code: 'MESH_SERVICE_UNAVAILABLE' })
    await mesh.provide('rotation', ROTATION, ['removeGarbage'])
    expect(await rotation.removeGarbage()).toBe(4)
    await mesh.waitFor(['rotation'], 100)
  })

  it('calls also what a service keeps from other processes', async () => {
    await mesh.provide('rotation', ROTATION, ['removeGarbage'])
    expect(await mesh.use('rotation').scrub()).toBe(NOTHING_DONE)
  })

  it('does not take a client for a promise', async () => {
    const rotation = mesh.use('rotation')
    expect(await rotation).toBe(rotation)
  })

  it('hands keys over within the process as they are, and seals those for any other', async () => {
    const key = Secret.random(32)
    const parcel = mesh.parcel(key, mesh.recipient(), 'data-key')
    expect(mesh.unparcel(parcel, 'data-key')).toBe(key)
    const elsewhere = await Mesh.start({ logger })
    const sealed = mesh.parcel(key, elsewhere.recipient(), 'data-key')
    expect(sealed.kind).toBe('sealed')
    expect(() => key.lengthBytes).toThrow(expect.objectContaining({ code: 'CRYPTO_SECRET_WIPED' }))
    await elsewhere.stop()
  })

  it('needs a mesh key before it goes to NATS', async () => {
    const start = Mesh.start({ logger, nats: { url: 'nats://127.0.0.1:1' } })
    await expect(start).rejects.toMatchObject({ code: 'MESH_KEY_MISSING' })
  })
})
