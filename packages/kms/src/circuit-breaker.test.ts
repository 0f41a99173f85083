import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CircuitBreaker, type Outcome } from './circuit-breaker.ts'

function breakerAt(limits = { failuresMax: 3, openMs: 1000 }) {
  const clock = { nowMs: 50 }
  const breaker = new CircuitBreaker(limits, () => clock.nowMs)
  /** Whether a call got through, which then had this outcome. */
  const call = (outcome: Outcome) => {
    const report = breaker.enter()
    report?.(outcome)
    return report !== undefined
  }
  const open = () => {
    for (let failure = 1; failure <= limits.failuresMax; failure++) expect(call('unavailable')).toBe(true)
  }
  return { breaker, clock, call, open }
}

describe('a circuit breaker', () => {
  it('opens after so many failures in a row, and not before', () => {
    const { breaker, call } = breakerAt()
    call('unavailable')
    call('unavailable')
    expect(breaker.admits).toBe(true)
    call('unavailable')
    expect(breaker.admits).toBe(false)
    expect(breaker.enter()).toBeUndefined()
  })

  it('counts only failures in a row: each answer begins anew', () => {
    const { call } = breakerAt()
    for (let round = 0; round < 10; round++) {
      for (const outcome of ['unavailable', 'unavailable', 'answered'] as const) expect(call(outcome)).toBe(true)
    }
  })

  it('lets nothing through while it is open, then a trial, whose answer closes it', () => {
    const { clock, call, open } = breakerAt()
    open()
    clock.nowMs += 999
    expect(call('answered')).toBe(false)
    clock.nowMs += 1
    expect(call('answered')).toBe(true)
    // Closed, with all of its patience.
    expect([call('unavailable'), call('unavailable'), call('answered')]).toEqual([true, true, true])
  })

  it('is open for as long again when the trial fails', () => {
    const { clock, call, open } = breakerAt()
    open()
    for (let round = 0; round < 5; round++) {
      clock.nowMs += 1000
      expect(call('unavailable')).toBe(true)
      clock.nowMs += 999
      expect(call('unavailable')).toBe(false)
      clock.nowMs += 1
    }
  })

  it('makes one trial at a time, however long it takes', () => {
    const { breaker, clock, open } = breakerAt()
    open()
    clock.nowMs += 1000
    const trial = breaker.enter()
    expect(breaker.enter()).toBeUndefined()
    clock.nowMs += 1_000_000
    expect(breaker.enter()).toBeUndefined()
    trial?.('unavailable')
    expect(breaker.enter()).toBeUndefined()
    clock.nowMs += 1000
    expect(breaker.enter()).toBeDefined()
    expect(breaker.enter()).toBeUndefined()
  })

  it('does not hear who entered before it opened or closed', () => {
    const { breaker, clock, call, open } = breakerAt()
    const [slowAnswer, slowFailure, slowerFailure] = [breaker.enter(), breaker.enter(), breaker.enter()]
    open()
    slowAnswer?.('answered')
    expect(breaker.admits).toBe(false)
    clock.nowMs += 1000
    const trial = breaker.enter()
    slowFailure?.('unavailable')
    expect(breaker.enter()).toBeUndefined()
    trial?.('answered')
    call('unavailable')
    call('unavailable')
    slowerFailure?.('unavailable')
    trial?.('unavailable')
    expect(breaker.admits).toBe(true)
  })

  it('never has two trials, never lets a call through while open, and always comes back', () => {
    const step = fc.oneof(
      fc.constant('enter' as const),
      fc.record({ report: fc.nat(5), outcome: fc.constantFrom<Outcome>('answered', 'unavailable') }),
      fc.record({ passMs: fc.nat(1500) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { breaker, clock } = breakerAt()
        const underWay: ReturnType<CircuitBreaker['enter']>[] = []
        for (const next of steps) {
          if (next === 'enter') {
            const admitted = breaker.admits
            const report = breaker.enter()
            expect(report !== undefined).toBe(admitted)
            if (report) underWay.push(report)
          } else if ('passMs' in next) {
            clock.nowMs += next.passMs
          } else {
            const before = breaker.admits
            underWay.splice(next.report, 1)[0]?.(next.outcome)
            // An answer never shuts anybody out; a failure never lets anybody in.
            if (next.outcome === 'answered' && before) expect(breaker.admits).toBe(true)
            if (next.outcome === 'unavailable' && !before) expect(breaker.admits).toBe(false)
          }
        }
        for (const report of underWay) report?.('unavailable')
        clock.nowMs += 1000
        const trial = breaker.enter()
        expect(trial).toBeDefined()
        trial?.('answered')
        expect([breaker.enter(), breaker.enter()]).not.toContain(undefined)
      }),
    )
  })
})
