import { Secret } from '@coffer/crypto-core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DomainKey, openLocalConnector } from './connectors/local.ts'
import { kmsConnectorContract } from './contract.ts'
import { kmsError } from './errors.ts'
import type { KmsConnector } from './kms-connector.ts'
import { settled } from './resilient/testing/manual-timing.ts'
import {
  ARGUMENTS,
  GUARDED,
  isSettled,
  isWiped,
  kmsThat,
  NEVER_REPEATED,
  never,
  OPERATIONS,
  REPEATABLE,
  start,
  UNAVAILABLE,
  WRAPPED,
} from './resilient/testing/scripted-kms.ts'
import { type ResilientOptions, resilient } from './resilient.ts'
import { MemoryRecords } from './testing/memory-records.ts'

kmsConnectorContract('the local connector, made resilient', async () => {
  const records = new MemoryRecords()
  const open = async () => {
    const domainKey = await DomainKey.open(Secret.copyOf(new Uint8Array(32)), records)
    return resilient(openLocalConnector({ domainKey }, { name: 'local', records }))
  }
  return { connector: await open(), another: await open(), dispose: async () => undefined }
})

describe('a resilient connector', () => {
  it.each(OPERATIONS)(
    'hands on the arguments and the answer of %s, asks once, and leaves no timer',
    async (operation) => {
      const value = { the: 'answer' }
      const { kms, timing, asked } = kmsThat(async () => value)
      expect((await start(kms, operation)).value).toBe(value)
      expect(asked).toEqual([{ operation, args: ARGUMENTS[operation], atMs: timing.nowMs() }])
      expect(timing.waiting).toBe(0)
      expect(kms.name).toBe('far')
    },
  )

  it.each(['timeoutMs', 'attemptsMax', 'backoffBaseMs', 'deadlineMs', 'failuresMax', 'openMs', 'callsMax'])(
    'refuses a %s that is no whole number from 1 to 2^31 - 1',
    (option) => {
      for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '5' as unknown as number]) {
        const opening = () => kmsThat(never, { [option]: value })
        expect(opening).toThrow(expect.objectContaining({ code: 'KMS_OPTIONS_INVALID', details: { option } }))
      }
    },
  )

  it('works with the system clock, too', async () => {
    const connector = { name: 'far', decrypt: never, selfTest: async () => undefined } as unknown as KmsConnector
    const kms = resilient(connector, { timeoutMs: 20, backoffBaseMs: 1 })
    await kms.selfTest()
    await expect(kms.decrypt(WRAPPED, {})).rejects.toMatchObject(UNAVAILABLE)
  })
})

describe('a KMS that never answers', () => {
  it.each(OPERATIONS)('makes %s KMS_UNAVAILABLE within the deadline', async (operation) => {
    const { kms, timing } = kmsThat(never)
    const call = start(kms, operation)
    await timing.pass(10_000)
    expect(await isSettled(call)).toBe(true)
    const { error } = await call
    expect(error).toMatchObject({ ...UNAVAILABLE, details: { connector: 'far', operation, reason: 'timed-out' } })
    expect(timing.waiting).toBe(0)
  })

  it('is given the time-out for each attempt, and no attempt beyond the deadline', async () => {
    const { kms, timing, asked } = kmsThat(never)
    const call = start(kms, 'decrypt')
    await timing.pass(4_999)
    expect(asked).toHaveLength(1)
    await timing.pass(5_000)
    expect(await isSettled(call)).toBe(false)
    await timing.pass(1)
    expect(await isSettled(call)).toBe(true)
    expect(asked.map(({ atMs }) => atMs)).toEqual([1_000, 6_050])
  })

  it('holds a change up for one time-out only', async () => {
    const { kms, timing, asked } = kmsThat(never)
    const call = start(kms, 'rotateKey')
    await timing.pass(5_000)
    expect(await isSettled(call)).toBe(true)
    expect(asked).toHaveLength(1)
  })

  it('gathers no calls: a bound at first, then none but one trial at a time', async () => {
    const { kms, timing, asked } = kmsThat(never)
    const first = Array.from({ length: 300 }, () => start(kms, 'decrypt'))
    await settled()
    expect(asked).toHaveLength(256)
    const refused = (await Promise.all(first.slice(256))).map(({ error }) => error)
    for (const error of refused) expect(error).toMatchObject({ ...UNAVAILABLE, details: { reason: 'too-many-calls' } })
    // The first four wanted to try again; when their wait is over, the breaker is open.
    await timing.pass(5_200)
    await Promise.all(first)
    expect(asked).toHaveLength(256)
    for (let second = 0; second < 60; second++) {
      const calls = Array.from({ length: 100 }, () => start(kms, 'decrypt'))
      await timing.pass(1_000)
      const pending = await Promise.all(calls.map(isSettled))
      expect(pending.filter((done) => !done).length).toBeLessThanOrEqual(1)
    }
    // Each trial takes 5 s, after 5 s of rest.
    expect(asked.length - 256).toBeLessThanOrEqual(6)
    expect(asked.length - 256).toBeGreaterThanOrEqual(5)
  })
})

describe('a KMS that answers too late', () => {
  it.each(['decrypt', 'generateDataKey'] as const)('has the secret of its %s wiped', async (operation) => {
    const secrets: Secret[] = []
    const { kms, timing } = kmsThat((name) => {
      const secret = Secret.random(32)
      secrets.push(secret)
      const value = name === 'decrypt' ? secret : { plaintext: secret, wrapped: WRAPPED }
      return new Promise((resolve) => timing.after(7_000, () => resolve(value)))
    })
    const call = start(kms, operation)
    await timing.pass(10_000)
    expect((await call).error).toMatchObject(UNAVAILABLE)
    await timing.pass(10_000)
    expect(secrets).toHaveLength(2)
    expect(secrets.every(isWiped)).toBe(true)
  })

  it('does not touch the secret of the attempt that was in time', async () => {
    const [late, inTime] = [Secret.random(32), Secret.random(32)]
    const { kms, timing } = kmsThat((_, attempt) =>
      attempt === 1 ? new Promise((resolve) => timing.after(5_020, () => resolve(late))) : inTime,
    )
    timing.chance = 0.9
    const call = start(kms, 'decrypt')
    await timing.pass(6_000)
    expect((await call).value).toBe(inTime)
    expect([isWiped(late), isWiped(inTime)]).toEqual([true, false])
  })

  it('may still answer in the last millisecond, and keeps what it then gave', async () => {
    const secret = Secret.random(32)
    const { kms, timing } = kmsThat(() => new Promise((resolve) => timing.after(4_999, () => resolve(secret))))
    const call = start(kms, 'decrypt')
    await timing.pass(20_000)
    expect((await call).value).toBe(secret)
    expect(isWiped(secret)).toBe(false)
  })

  it.each([
    ['nothing', () => undefined],
    ['null', () => null],
    ['a number', () => 7],
    ['a failure', () => Promise.reject(new Error('late'))],
    [
      'what cannot be wiped',
      () => ({
        get plaintext() {
          throw new Error('no')
        },
      }),
    ],
  ])('with %s does no harm', async (_, late) => {
    const { kms, timing } = kmsThat(() => new Promise((resolve) => timing.after(6_000, () => resolve(late()))))
    const calls = [start(kms, 'decrypt'), start(kms, 'generateDataKey'), start(kms, 'rotateKey')]
    await timing.pass(30_000)
    for (const { error } of await Promise.all(calls)) expect(error).toMatchObject(UNAVAILABLE)
    // A rejection that nobody handles would fail this run.
  })
})

describe('a KMS that is away for a moment', () => {
  const awayFor = (attempts: number, options?: ResilientOptions) =>
    kmsThat((_, attempt) => {
      if (attempt <= attempts) throw kmsError('KMS_UNAVAILABLE')
      return 'answer'
    }, options)

  it.each(REPEATABLE)('is asked again for %s, up to three times', async (operation) => {
    for (const [attempts, expected] of [
      [2, { value: 'answer' }],
      [3, { error: UNAVAILABLE }],
    ] as const) {
      const { kms, timing, asked } = awayFor(attempts)
      const call = start(kms, operation)
      await timing.pass(1_000)
      expect(await call).toMatchObject(expected)
      expect(asked).toHaveLength(3)
      for (const { args } of asked) expect(args).toEqual(ARGUMENTS[operation])
    }
  })

  it.each(NEVER_REPEATED)('is never asked again for %s', async (operation) => {
    const { kms, timing, asked } = awayFor(1)
    const call = start(kms, operation)
    await timing.pass(20_000)
    expect((await call).error).toMatchObject(UNAVAILABLE)
    expect(asked).toHaveLength(1)
  })

  it('is left alone for a random time that doubles', async () => {
    for (const [chance, waits] of [
      [0, [0, 0, 0, 0]],
      [0.5, [50, 100, 200, 400]],
      [0.999, [99.9, 199.8, 399.6, 799.2]],
    ] as const) {
      const { kms, timing, asked } = awayFor(4, { attemptsMax: 5, failuresMax: 9 })
      timing.chance = chance
      const call = start(kms, 'decrypt')
      await timing.pass(2_000)
      expect((await call).value).toBe('answer')
      const times = asked.map(({ atMs }) => atMs)
      const measured = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0))
      expect(measured.map((ms) => Math.round(ms * 10) / 10)).toEqual(waits)
    }
  })

  it('is not waited for beyond the deadline, however many attempts are allowed', async () => {
    const options = { attemptsMax: 100_000, failuresMax: 1_000_000, deadlineMs: 3_000 }
    const { kms, timing, asked } = awayFor(Number.POSITIVE_INFINITY, options)
    timing.chance = 0.7
    const call = start(kms, 'decrypt')
    await timing.pass(3_000)
    expect(await isSettled(call)).toBe(true)
    expect(asked.at(-1)?.atMs).toBeLessThan(4_000)
    expect(timing.waiting).toBe(0)
  })

  it('is not asked again by a timer that went off after the deadline', async () => {
    const { kms, timing, asked } = awayFor(1)
    timing.lateMs = 10_000
    const call = start(kms, 'decrypt')
    await timing.pass(11_000)
    expect((await call).error).toMatchObject(UNAVAILABLE)
    expect(asked).toHaveLength(1)
  })
})

describe('a KMS that is away', () => {
  const away = () => {
    const state = { here: false }
    const fake = kmsThat(async () => {
      if (!state.here) throw kmsError('KMS_UNAVAILABLE')
      return 'answer'
    })
    const fail = async () => {
      for (let failure = 0; failure < 5; failure++) await start(fake.kms, 'rotateKey')
      expect(fake.asked).toHaveLength(5)
    }
    return { ...fake, state, fail }
  }

  it.each(GUARDED)('is not asked for %s after five failures in a row; the call fails at once', async (operation) => {
    const { kms, timing, asked, fail } = away()
    await fail()
    const call = start(kms, operation)
    expect(await isSettled(call)).toBe(true)
    const details = { connector: 'far', operation, reason: 'circuit-open' }
    expect((await call).error).toMatchObject({ ...UNAVAILABLE, details })
    expect(asked).toHaveLength(5)
    expect(timing.waiting).toBe(0)
  })

  it('is asked again after five seconds, by one call at a time, and is back with its first answer', async () => {
    const { kms, timing, asked, state, fail } = away()
    await fail()
    await timing.pass(4_999)
    await start(kms, 'decrypt')
    expect(asked).toHaveLength(5)
    await timing.pass(1)
    await Promise.all(Array.from({ length: 20 }, () => start(kms, 'decrypt')))
    // The trial failed: not even its own call repeats it.
    expect(asked).toHaveLength(6)
    state.here = true
    await start(kms, 'decrypt')
    expect(asked).toHaveLength(6)
    await timing.pass(5_000)
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => start(kms, 'decrypt')))
    expect(outcomes.filter(({ value }) => value === 'answer')).toHaveLength(1)
    const after = await Promise.all(Array.from({ length: 20 }, () => start(kms, 'decrypt')))
    expect(after.filter(({ value }) => value === 'answer')).toHaveLength(20)
  })

  it('stays in reach as a trial finds out a refusal', async () => {
    const { kms, timing } = kmsThat((operation) =>
      Promise.reject(kmsError(operation === 'rotateKey' ? 'KMS_UNAVAILABLE' : 'KMS_KEY_DISABLED')),
    )
    for (let failure = 0; failure < 5; failure++) await start(kms, 'rotateKey')
    await timing.pass(5_000)
    for (let call = 0; call < 3; call++) {
      expect((await start(kms, 'decrypt')).error).toMatchObject({ code: 'KMS_KEY_DISABLED' })
    }
  })

  it('is not asked by a call that was about to try again', async () => {
    const { kms, timing, asked } = away()
    const waiting = start(kms, 'decrypt')
    await settled()
    for (let failure = 0; failure < 4; failure++) await start(kms, 'rotateKey')
    await timing.pass(100)
    expect((await waiting).error).toMatchObject({ ...UNAVAILABLE, details: { reason: 'circuit-open' } })
    expect(asked.filter(({ operation }) => operation === 'decrypt')).toHaveLength(1)
  })

  it('is still closed: its secrets are to be wiped', async () => {
    const { kms, asked, state, fail } = away()
    await fail()
    state.here = true
    expect((await start(kms, 'close')).error).toBeUndefined()
    expect(asked.at(-1)?.operation).toBe('close')
  })

  it('that flaps stays in reach as long as an answer comes between five failures', async () => {
    const { kms, timing, asked } = kmsThat((_, attempt) => {
      if (attempt % 5 !== 0) throw kmsError('KMS_UNAVAILABLE')
      return 'answer'
    })
    for (let call = 0; call < 100; call++) {
      const flapping = start(kms, 'decrypt')
      await timing.pass(1_000)
      await flapping
    }
    // In turn three failures, and one failure before the answer: nothing was ever turned away.
    expect(asked).toHaveLength(250)
  })
})

describe('the bound on calls under way', () => {
  it('turns the next call away at once, and lets one in for each that is done', async () => {
    const finish: ((value: unknown) => void)[] = []
    const { kms, asked } = kmsThat(() => new Promise((resolve) => finish.push(resolve)), { callsMax: 2 })
    const first = start(kms, 'decrypt')
    const second = start(kms, 'createKey')
    const third = start(kms, 'selfTest')
    expect(await isSettled(third)).toBe(true)
    expect((await third).error).toMatchObject({ ...UNAVAILABLE, details: { reason: 'too-many-calls' } })
    finish[0]?.('answer')
    expect((await first).value).toBe('answer')
    const fourth = start(kms, 'selfTest')
    await settled()
    expect(asked.map(({ operation }) => operation)).toEqual(['decrypt', 'createKey', 'selfTest'])
    for (const resolve of finish) resolve('answer')
    expect((await second).value).toBe('answer')
    expect((await fourth).value).toBe('answer')
  })

  it('counts a call that waits to try again', async () => {
    const { kms, timing } = kmsThat(() => Promise.reject(kmsError('KMS_UNAVAILABLE')), { callsMax: 1 })
    const waiting = start(kms, 'decrypt')
    await settled()
    expect((await start(kms, 'decrypt')).error).toMatchObject({ details: { reason: 'too-many-calls' } })
    await timing.pass(1_000)
    await waiting
  })

  it('is given back by every call, however it ended, and says nothing about the KMS', async () => {
    const { kms, timing } = kmsThat(
      (_, attempt) => [never, () => Promise.reject(kmsError('KMS_KEY_DISABLED')), () => 'answer'][attempt % 3]?.(),
      { callsMax: 1 },
    )
    for (let round = 0; round < 30; round++) {
      const call = start(kms, 'decrypt')
      const turnedAway = await Promise.all(Array.from({ length: 9 }, () => start(kms, 'decrypt')))
      for (const { error } of turnedAway) expect(error).toMatchObject({ details: { reason: 'too-many-calls' } })
      await timing.pass(10_000)
      expect((await call).error?.details.reason).not.toBe('circuit-open')
    }
  })
})

describe('whatever a KMS does', () => {
  it('every call ends by the deadline, refusals are final, and every secret is the caller’s or wiped', async () => {
    const behaviour = fc.record({
      afterMs: fc.constantFrom(0, 1, 100, 4_999, 5_001, 9_000, 40_000),
      kind: fc.constantFrom('secret', 'unavailable', 'refused', 'rubbish', 'never'),
    })
    const arrivals = fc.array(
      fc.record({ gapMs: fc.nat(3_000), chance: fc.double({ min: 0, max: 0.99, noNaN: true }) }),
      {
        minLength: 1,
        maxLength: 25,
      },
    )
    const script = fc.array(behaviour, { minLength: 1, maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(script, arrivals, async (behaviours, calls) => {
        const secrets: Secret[] = []
        let [underWay, underWayMax] = [0, 0]
        const refusal = kmsError('KMS_CIPHERTEXT_REFUSED')
        const { kms, timing, asked } = kmsThat(
          (_, attempt) => {
            const { afterMs, kind } = behaviours[attempt % behaviours.length] ?? { afterMs: 0, kind: 'never' }
            if (kind === 'never') return never()
            return new Promise((resolve, reject) => {
              timing.after(afterMs, () => {
                const secret = Secret.random(16)
                if (kind === 'secret') secrets.push(secret)
                if (kind === 'secret') resolve(secret)
                else if (kind === 'unavailable') reject(kmsError('KMS_UNAVAILABLE'))
                else reject(kind === 'refused' ? refusal : new Error('rubbish'))
              })
            })
          },
          { callsMax: 4 },
        )
        const given: unknown[] = []
        const ends: Promise<unknown>[] = []
        for (const { gapMs, chance } of calls) {
          timing.chance = chance
          const beganAtMs = timing.nowMs()
          underWayMax = Math.max(underWayMax, ++underWay)
          const end = start(kms, 'decrypt').then(({ value, error }) => {
            underWay--
            expect(timing.nowMs() - beganAtMs).toBeLessThanOrEqual(10_000)
            if (error) expect(['KMS_UNAVAILABLE', 'KMS_CIPHERTEXT_REFUSED']).toContain(error.code)
            else given.push(value)
          })
          ends.push(end)
          await timing.pass(gapMs)
        }
        await timing.pass(100_000)
        await Promise.all(ends)
        expect(underWayMax).toBeLessThanOrEqual(5)
        expect(asked.length).toBeLessThanOrEqual(calls.length * 3)
        for (const secret of secrets) expect(isWiped(secret)).toBe(!given.includes(secret))
        expect(timing.waiting).toBe(0)
      }),
      { numRuns: 150 },
    )
  })
})
