import { randomBytes } from 'node:crypto'
import { MetadataKey } from '@coffer/crypto-core'
import { type EventMessage, type EventTarget, eventTargetError } from '@coffer/event-targets'
import { holdLease } from '@coffer/lease'
import { createLogger } from '@coffer/mesh'
import { sealBucketMessage } from '@coffer/object-record'
import { createEventsService, runRelay, startRelay } from '@coffer/service-events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../events/event-reading.ts'
import { type ServiceProcess, startServices, temporaryDirectory } from './one-process.ts'

/** Long against what a busy machine keeps this process waiting: a holder that can’t renew in time has lost it. */
const LEASE_MS = 10_000
const logger = createLogger({ level: 'silent', name: 'test', json: true })
const MANY = { waitingMax: 1_000, deadLettersMax: 1_000, keptMax: 1_000 }
const LIMITS = { attemptsMax: 3, waitMsMax: 3_600_000, keepMs: 0, ...MANY }

describe('the events relay', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>
  let services: ServiceProcess
  let commit: (keys: readonly string[]) => Promise<void>

  beforeEach(async () => {
    directory = await temporaryDirectory()
    services = await startServices(directory.path)
    const { mesh, store } = services
    const id = randomBytes(16).toString('hex')
    const { metadataKey: parcel, wrapped } = await mesh.use('crypto').issueMetadataKey(id, mesh.recipient())
    const metadataKey = new MetadataKey(mesh.unparcel(parcel, 'metadata-key', id))
    // The bucket is gone: its key goes along with each event.
    const bucket = { name: 'photos', id, wrappedMetadataKey: wrapped }
    commit = (keys) =>
      store.appendEvents(
        keys.map((key) => {
          const event = {
            at: Date.now(),
            name: 's3:ObjectCreated:Put' as const,
            region: 'us-east-1',
            bucket: { name: bucket.name, ownerId: '1' },
            object: { key },
          }
          return sealBucketMessage(metadataKey, bucket, 'hook', { kind: 'object', configurationId: 'c', event })
        }),
      )
  })
  afterEach(async () => {
    await services.stop()
    await directory.remove()
  })

  /** A target that notes the keys that it was given, and answers as it is told. */
  function noting(answer: (message: EventMessage, key: string) => Promise<void> = async () => {}) {
    const keys: string[] = []
    const target: EventTarget = {
      async send(message) {
        const { Records } = JSON.parse(message.body) as { Records: { s3: { object: { key: string } } }[] }
        const key = Records[0]?.s3.object.key ?? ''
        await answer(message, key)
        keys.push(key)
      },
      async close() {},
    }
    return { keys, targets: new Map([['hook', target]]) }
  }

  it('of two delivers one, each event once; the other takes over when it is gone', async () => {
    const { mesh, store } = services
    const sides = [noting(), noting()]
    const holds = sides.map(({ targets }) =>
      holdLease({
        store,
        name: 'events-relay',
        leaseMs: LEASE_MS,
        work: (held) => runRelay(held, { mesh, logger, targets, ...LIMITS }),
      }),
    )
    const names = Array.from({ length: 300 }, (_, index) => `k${index}`)
    await commit(names)
    const all = () => sides.flatMap(({ keys }) => keys)
    await eventually(
      async () => all().length,
      (count) => count >= 300,
    )
    expect([...all()].sort()).toEqual([...names].sort())
    const first = sides.findIndex(({ keys }) => keys.length > 0)
    expect(sides[1 - first]?.keys).toEqual([])
    await holds[first]?.stop()
    await commit(['later'])
    await eventually(
      async () => sides[1 - first]?.keys.length,
      (count) => count === 1,
    )
    expect(sides[1 - first]?.keys).toEqual(['later'])
    await holds[1 - first]?.stop()
  })

  it('holds back what follows on the key of a refused message, and nothing else, until that is a dead letter', async () => {
    const { mesh, store } = services
    let refusals = 0
    const { keys, targets } = noting(async (_, key) => {
      if (key !== 'bad' || refusals === LIMITS.attemptsMax) return
      refusals += 1
      throw eventTargetError('EVENT_TARGET_REFUSED', { reason: 'HTTP 400' })
    })
    await commit(['bad', 'good', 'bad', 'good'])
    const relay = startRelay({ mesh, logger, targets, ...LIMITS })
    await eventually(
      async () => keys.length,
      (count) => count === 3,
    )
    // The first `bad` was refused for good before the second was sent.
    expect(keys).toEqual(['good', 'good', 'bad'])
    const [dead, more] = await store.listEvents({ queue: 'dead/hook', afterId: '', limit: 10 })
    expect([dead?.note.includes('HTTP 400'), more]).toEqual([true, undefined])
    await relay.stop()
  })

  it('keeps the order of a key over failures of the target', async () => {
    const { mesh } = services
    const written: string[] = []
    const messageOrder = new Map<string, string[]>()
    const tried = new Set<string>()
    const { keys, targets } = noting(async ({ id }, key) => {
      const isFirst = !tried.has(id)
      tried.add(id)
      // Those of one key fail beside those of the other, which do not: and not twice, so that pauses stay short.
      if (isFirst && key === 'a') throw eventTargetError('EVENT_TARGET_UNAVAILABLE', { reason: 'away' })
      messageOrder.set(key, [...(messageOrder.get(key) ?? []), id])
    })
    for (let round = 0; round < 5; round++) written.push('a', 'b')
    await commit(written)
    const relay = startRelay({ mesh, logger, targets, ...LIMITS })
    await eventually(
      async () => keys.length,
      (count) => count >= written.length,
    )
    expect([...messageOrder.keys()].sort()).toEqual(['a', 'b'])
    for (const ids of messageOrder.values()) expect(ids).toEqual([...ids].sort())
    await relay.stop()
  })

  it('buries what it cannot open, and goes on', async () => {
    const { mesh, store } = services
    await store.appendEvents([{ queue: 'hook', payload: randomBytes(300) }])
    await commit(['after'])
    const { keys, targets } = noting()
    const relay = startRelay({ mesh, logger, targets, ...LIMITS })
    await eventually(
      async () => keys.length,
      (count) => count === 1,
    )
    expect(keys).toEqual(['after'])
    expect(await store.countEvents('dead/hook', 10)).toBe(1)
    await relay.stop()
  })

  it('buries the oldest of too many that wait, and drops the oldest of too many dead letters, which it counts', async () => {
    const { mesh, store } = services
    let isAway = true
    const { keys, targets } = noting(async () => {
      if (isAway) throw eventTargetError('EVENT_TARGET_UNAVAILABLE', { reason: 'away' })
    })
    await commit(Array.from({ length: 12 }, (_, index) => `k${index}`))
    // Of a target that is configured no more.
    await store.appendEvents(Array.from({ length: 9 }, () => ({ queue: 'gone', payload: randomBytes(300) })))
    const limits = { ...LIMITS, keepMs: 3_600_000, waitingMax: 5, deadLettersMax: 4, keptMax: 2 }
    let relay = startRelay({ mesh, logger, targets, ...limits })
    const events = createEventsService({ mesh })
    const status = await eventually(
      () => events.status(),
      (all) => all.every(({ waitingCount, deadLetterCount }) => waitingCount === 5 && deadLetterCount === 4),
    )
    expect(status).toMatchObject([
      { target: 'gone', waitingCount: 5, deadLetterCount: 4, droppedCount: 0 },
      { target: 'hook', waitingCount: 5, deadLetterCount: 4, droppedCount: 3 },
    ])
    expect(status[1]?.lastDroppedAt).toBeGreaterThan(Date.now() - 60_000)
    const dead = await events.list({ target: 'hook', place: 'dead-letters', afterId: '', limit: 10 })
    expect(dead.map(({ key }) => key)).toEqual(['k3', 'k4', 'k5', 'k6'])
    expect(new Set(dead.map(({ note }) => note))).toEqual(new Set(['more than 5 events waited']))
    isAway = false
    await eventually(
      async () => keys.length,
      (count) => count >= 5,
    )
    expect(keys.sort()).toEqual(['k10', 'k11', 'k7', 'k8', 'k9'])
    await relay.stop()
    // The next look of a relay is seconds away: that of a new one is now.
    relay = startRelay({ mesh, logger, targets, ...limits })
    const kept = await eventually(
      () => store.countEvents('kept/hook', 10),
      (count) => count === 2,
    )
    expect(kept).toBe(2)
    await relay.stop()
  })

  it('delivers nothing of an account that may not use the target', async () => {
    const { mesh, store } = services
    const { keys, targets } = noting()
    await commit(['mine'])
    const others = startRelay({ mesh, logger, targets, accounts: new Map([['hook', new Set(['2'])]]), ...LIMITS })
    const dead = () => store.listEvents({ queue: 'dead/hook', afterId: '', limit: 10 })
    const [letter] = await eventually(dead, ({ length }) => length > 0)
    expect(letter?.note).toBe('its account may not use the target')
    await others.stop()
    expect(keys).toEqual([])
    await commit(['ours'])
    const ours = startRelay({ mesh, logger, targets, accounts: new Map([['hook', new Set(['1', '2'])]]), ...LIMITS })
    await eventually(
      async () => keys.length,
      (count) => count > 0,
    )
    expect(keys).toEqual(['ours'])
    await ours.stop()
  })
})
