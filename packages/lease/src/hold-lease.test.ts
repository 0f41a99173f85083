import { CofferError } from '@coffer/errors'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { holdLease, type LeaseHold, type LeaseStore } from './hold-lease.ts'

// The time of these tests passes when they say so: a machine that is busy takes no lease away. Pauses as well, which `vi` leaves real.
vi.mock('node:timers/promises', () => ({
  setTimeout: (ms: number, value: unknown, { signal }: { signal: AbortSignal }) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) reject(signal.reason)
      const timer = setTimeout(resolve, ms, value)
      signal.addEventListener('abort', () => {
        clearTimeout(timer)
        reject(signal.reason)
      })
    }),
}))
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

const LEASE_MS = 2_000
const PATIENCE = { timeout: 60_000, interval: 10 }

class MemoryStore implements LeaseStore {
  readonly rows = new Map<string, { value: Uint8Array; revision: number }>()

  async findRecord(_: 'jobs', id: string) {
    return this.rows.get(id)
  }

  async putRecord(_: 'jobs', id: string, value: Uint8Array, expectedRevision: number) {
    const revision = this.rows.get(id)?.revision ?? 0
    if (revision !== expectedRevision) throw new CofferError({ code: 'META_RECORD_CHANGED', message: 'changed' })
    this.rows.set(id, { value, revision: revision + 1 })
  }
}

/** The same store as one process reaches it: until it is cut off. */
class Link implements LeaseStore {
  isCut = false
  losesAnswers = false
  readonly #store: MemoryStore

  constructor(store: MemoryStore) {
    this.#store = store
  }

  async findRecord(table: 'jobs', id: string) {
    if (this.isCut) throw new Error('away')
    return this.#store.findRecord(table, id)
  }

  async putRecord(table: 'jobs', id: string, value: Uint8Array, expectedRevision: number) {
    if (this.isCut) throw new Error('away')
    await this.#store.putRecord(table, id, value, expectedRevision)
    if (this.losesAnswers) throw new Error('the answer is lost')
  }
}

describe('a lease', () => {
  const holds: LeaseHold[] = []
  /** Who works, in their order; `<name>` begins, `-<name>` ends. */
  let log: string[] = []
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
  afterEach(async () => {
    await Promise.all(holds.splice(0).map((hold) => hold.stop()))
    log = []
    vi.restoreAllMocks()
    vi.useRealTimers()
  })

  const contend = (who: string, store: LeaseStore): LeaseHold => {
    const hold = holdLease({ store, name: 'test', leaseMs: LEASE_MS, work: (held) => workUntil(held, who) })
    holds.push(hold)
    return hold
  }
  const workUntil = async (held: AbortSignal, who: string) => {
    log.push(who)
    if (!held.aborted) await new Promise((resolve) => held.addEventListener('abort', resolve, { once: true }))
    log.push(`-${who}`)
  }
  const working = () => log.filter((entry) => !entry.startsWith('-') && !log.includes(`-${entry}`))

  it('is held by one of many, for as long as that one wants it', async () => {
    const store = new MemoryStore()
    for (const who of ['a', 'b', 'c']) contend(who, new Link(store))
    await vi.waitFor(() => expect(working()).toHaveLength(1), PATIENCE)
    const [first] = log
    await pass(1.5 * LEASE_MS)
    expect(log).toEqual([first])
  })

  it('goes to the next at once when it is given back, after the work has ended', async () => {
    const store = new MemoryStore()
    const first = contend('a', new Link(store))
    await vi.waitFor(() => expect(log).toEqual(['a']), PATIENCE)
    contend('b', new Link(store))
    await first.stop()
    const stoppedAtMs = performance.now()
    await vi.waitFor(() => expect(log).toEqual(['a', '-a', 'b']), PATIENCE)
    expect(performance.now() - stoppedAtMs).toBeLessThan(LEASE_MS / 4)
  })

  it('is lost by a holder that cannot renew it, before another takes it', async () => {
    const store = new MemoryStore()
    const link = new Link(store)
    contend('a', link)
    await vi.waitFor(() => expect(log).toEqual(['a']), PATIENCE)
    contend('b', new Link(store))
    await pass(LEASE_MS / 2)
    link.isCut = true
    await vi.waitFor(() => expect(log).toEqual(['a', '-a', 'b']), PATIENCE)
    link.isCut = false
    await pass(1.2 * LEASE_MS)
    expect(log).toEqual(['a', '-a', 'b'])
  })

  it('is kept by a holder whose renewals succeed while their answers are lost now and then', async () => {
    const store = new MemoryStore()
    const link = new Link(store)
    contend('a', link)
    await vi.waitFor(() => expect(log).toEqual(['a']), PATIENCE)
    contend('b', new Link(store))
    for (let round = 0; round < 5; round++) {
      link.losesAnswers = true
      await pass(LEASE_MS / 8)
      link.losesAnswers = false
      await pass(LEASE_MS / 4)
    }
    expect(log).toEqual(['a'])
  })

  it('does not go by the wall clock: one that is hours off, or jumps, changes nothing', async () => {
    const store = new MemoryStore()
    vi.spyOn(Date, 'now').mockImplementation(() => Math.floor(Math.random() * 1e13))
    contend('a', new Link(store))
    await vi.waitFor(() => expect(log).toEqual(['a']), PATIENCE)
    contend('b', new Link(store))
    await pass(1.5 * LEASE_MS)
    expect(log).toEqual(['a'])
  })

  it('is begun again when the work ends or fails by itself', async () => {
    let begun = 0
    const work = async () => {
      begun += 1
      if (begun === 1) throw new Error('broken')
    }
    holds.push(holdLease({ store: new MemoryStore(), name: 'test', leaseMs: LEASE_MS, work }))
    await vi.waitFor(() => expect(begun).toBeGreaterThan(2), PATIENCE)
  })

  it('of another name is another lease', async () => {
    const store = new MemoryStore()
    contend('a', store)
    holds.push(holdLease({ store, name: 'other', leaseMs: LEASE_MS, work: (held) => workUntil(held, 'b') }))
    await vi.waitFor(() => expect(log).toEqual(['a', 'b']), PATIENCE)
  })
})
