import type { ObjectLock, Retention } from '@coffer/s3-protocol'
import { describe, expect, it } from 'vitest'
import { isLocked, mayReplaceRetention } from './object-lock.ts'

const NOW = 1_000_000
const governance = (retainUntilAt: number): Retention => ({ mode: 'GOVERNANCE', retainUntilAt })
const compliance = (retainUntilAt: number): Retention => ({ mode: 'COMPLIANCE', retainUntilAt })

describe('isLocked', () => {
  it.each<[ObjectLock | undefined, without: boolean, withBypass: boolean]>([
    [undefined, false, false],
    [{}, false, false],
    [{ legalHold: 'OFF' }, false, false],
    [{ legalHold: 'ON' }, true, true],
    [{ legalHold: 'ON', retention: governance(NOW - 1) }, true, true],
    [{ legalHold: 'OFF', retention: compliance(NOW + 1) }, true, true],
    [{ retention: governance(NOW + 1) }, true, false],
    [{ retention: governance(NOW) }, false, false],
    [{ retention: compliance(NOW + 1) }, true, true],
    [{ retention: compliance(NOW) }, false, false],
  ])('%j: %s, and %s with the bypass', (lock, without, withBypass) => {
    expect(isLocked(lock, NOW, { bypassGovernance: false })).toBe(without)
    expect(isLocked(lock, NOW, { bypassGovernance: true })).toBe(withBypass)
  })

  it('takes a mode that it does not know for the stricter one', () => {
    const lock = { retention: { mode: 'OTHER', retainUntilAt: NOW + 1 } } as unknown as ObjectLock
    expect(isLocked(lock, NOW, { bypassGovernance: true })).toBe(true)
  })
})

describe('mayReplaceRetention', () => {
  it.each<[current: Retention | undefined, wanted: Retention | undefined, without: boolean, withBypass: boolean]>([
    [undefined, compliance(NOW + 1), true, true],
    [undefined, undefined, true, true],
    [governance(NOW + 5), governance(NOW + 6), true, true],
    [governance(NOW + 5), governance(NOW + 5), true, true],
    [governance(NOW + 5), governance(NOW + 4), false, true],
    [governance(NOW + 5), compliance(NOW + 6), false, true],
    [governance(NOW + 5), undefined, false, true],
    [compliance(NOW + 5), compliance(NOW + 6), true, true],
    [compliance(NOW + 5), compliance(NOW + 4), false, false],
    [compliance(NOW + 5), governance(NOW + 6), false, false],
    [compliance(NOW + 5), undefined, false, false],
    [compliance(NOW), undefined, true, true],
    [compliance(NOW), governance(NOW + 1), true, true],
  ])('%j to %j: %s, and %s with the bypass', (current, wanted, without, withBypass) => {
    expect(mayReplaceRetention(current, wanted, NOW, { bypassGovernance: false })).toBe(without)
    expect(mayReplaceRetention(current, wanted, NOW, { bypassGovernance: true })).toBe(withBypass)
  })
})
