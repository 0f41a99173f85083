import type { LifecycleKeyPlace, LifecyclePosition, LifecycleRequest, LifecycleStep } from '@coffer/contracts'
import { createLogger, type Mesh } from '@coffer/mesh'
import { describe, expect, it } from 'vitest'
import { LifecyclePasses } from './lifecycle-passes.ts'

const DAY_MS = 86_400_000
const logger = createLogger({ level: 'silent', name: 'test', json: true })
const NOTHING: LifecycleStep['report'] = {
  versionsSeen: 0,
  expired: 0,
  noncurrentRemoved: 0,
  deleteMarkersRemoved: 0,
  uploadsAborted: 0,
  locked: 0,
  transitionsDue: 0,
  failures: [],
}
const placeAt = (afterKey: string, inKey?: LifecycleKeyPlace): LifecyclePosition => ({
  accountId: '1',
  bucket: 'b',
  within: { bucketId: 'id', kind: 'versions', afterKey, ...(inKey && { inKey }) },
})

/** A walk of so many steps, and the records of its store. Each step takes `stepMs` of the clock. */
class Scripted {
  readonly asked: (string | undefined)[] = []
  now = DAY_MS * 100 + 5
  stepMs = 1
  failsAt = -1
  /** Each step ends in the middle of this key. */
  inKey: LifecycleKeyPlace | undefined
  #record: Uint8Array | undefined
  readonly #steps: number

  constructor(steps: number) {
    this.#steps = steps
  }

  passes(): LifecyclePasses {
    const rotation = { applyLifecycle: async (request: LifecycleRequest) => this.#step(request) }
    const metadata = {
      findRecord: async () => this.#record && { value: this.#record },
      putRecord: async (_table: string, _id: string, value: Uint8Array) => {
        this.#record = value
      },
    }
    const services = { rotation, metadata }
    const mesh = { use: (name: keyof typeof services) => services[name] } as unknown as Mesh
    return new LifecyclePasses(mesh, logger, () => this.now)
  }

  #step({ position }: LifecycleRequest): LifecycleStep {
    const place = position?.within?.kind === 'versions' ? position.within : undefined
    this.asked.push(place?.inKey ? `${place.afterKey}+${place.inKey.key}` : place?.afterKey)
    this.now += this.stepMs
    const number = Number(place?.afterKey ?? 0) + 1
    if (number === this.failsAt) throw new Error('not now')
    return { report: NOTHING, ...(number < this.#steps && { next: placeAt(String(number), this.inKey) }) }
  }
}

const never = () => false

describe('lifecycle passes', () => {
  it('are made once a day, from the first step to the last', async () => {
    const walk = new Scripted(3)
    const passes = walk.passes()
    for (const _ of [1, 2, 3]) await passes.turn(never)
    expect(walk.asked).toEqual([undefined, '1', '2'])
    walk.now += DAY_MS
    await passes.turn(never)
    expect(walk.asked).toEqual([undefined, '1', '2', undefined, '1', '2'])
  })

  it('go on in the next turn, and in the next process, where they were', async () => {
    const walk = new Scripted(5)
    walk.stepMs = 30_000
    const passes = walk.passes()
    await passes.turn(never)
    await passes.turn(never)
    await walk.passes().turn(never)
    expect(walk.asked).toEqual([undefined, '1', '2'])
    walk.now += DAY_MS
    await walk.passes().turn(never)
    expect(walk.asked).toEqual([undefined, '1', '2', '3'])
  })

  it('end after the step that is under way when they are stopped', async () => {
    const walk = new Scripted(5)
    await walk.passes().turn(() => true)
    expect(walk.asked).toEqual([undefined])
    await walk.passes().turn(never)
    expect(walk.asked).toEqual([undefined, '1', '2', '3', '4'])
  })

  it('make a step that failed again', async () => {
    const walk = new Scripted(3)
    walk.stepMs = 3_000
    walk.failsAt = 2
    const passes = walk.passes()
    await passes.turn(never)
    walk.failsAt = -1
    await passes.turn(never)
    expect(walk.asked).toEqual([undefined, '1', '1', '2'])
  })

  it('keep no place in the middle of a key', async () => {
    const walk = new Scripted(5)
    walk.inKey = { key: 'k', versionId: 'v', noncurrentCount: 7 }
    await walk.passes().turn(() => true)
    await walk.passes().turn(() => true)
    expect(walk.asked).toEqual([undefined, '1'])
    walk.stepMs = 15_000
    await walk.passes().turn(never)
    expect(walk.asked).toEqual([undefined, '1', '2', '3+k'])
  })
})
