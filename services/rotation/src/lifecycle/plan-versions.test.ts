import type { ListedVersion } from '@coffer/metadata-store'
import type { LifecycleRule } from '@coffer/s3-protocol'
import { describe, expect, it } from 'vitest'
import { type PlannedPage, planVersions } from './plan-versions.ts'

const DAY_MS = 86_400_000
/** Midnight. */
const START = Date.UTC(2026, 0, 1)
const FIRST = { afterKey: '' }

const rule = (more: Partial<LifecycleRule>): LifecycleRule => ({ id: 'r', isEnabled: true, filter: {}, ...more })
const EXPIRES = rule({ expiration: { days: 10 } })
const NONCURRENT = rule({ noncurrentVersionExpiration: { noncurrentDays: 5 } })
const KEEPS_TWO = rule({ noncurrentVersionExpiration: { noncurrentDays: 5, newerNoncurrentVersions: 2 } })
const MARKERS = rule({ expiration: { expiredObjectDeleteMarker: true } })

/** `k:9* 5 m3`: key k, newest (`*`) of day 9, then of day 5, then a delete marker of day 3; `!`: listed as damaged. */
function entriesOf(text: string): ListedVersion[] {
  return text.split(', ').flatMap((part) => {
    const [key = '', versions = ''] = part.split(':')
    return versions.split(' ').map((word): ListedVersion => {
      const day = Number(/\d+/.exec(word)?.[0])
      const isDamaged = word.includes('!')
      return {
        key,
        versionId: `${key}${day}`,
        isNull: false,
        isDeleteMarker: word.startsWith('m'),
        isLatest: word.includes('*'),
        lastModifiedAt: isDamaged ? 0 : START + day * DAY_MS,
        sizeBytes: isDamaged ? 0 : 10,
        summary: isDamaged ? new Uint8Array(0) : new Uint8Array(53),
      }
    })
  })
}

function planOf(rules: LifecycleRule[], text: string, day: number, hasMore = false, place: typeof FIRST = FIRST) {
  return planVersions(rules, { entries: entriesOf(text), hasMore }, place, START + day * DAY_MS)
}

const dueOf = ({ due }: PlannedPage): string[] => due.map(({ versionId, reason }) => `${versionId} ${reason.kind}`)

describe('current versions', () => {
  it('are due at their age, not before', () => {
    expect(dueOf(planOf([EXPIRES], 'a:0*, b:1*', 9))).toEqual([])
    expect(dueOf(planOf([EXPIRES], 'a:0*, b:1*', 10))).toEqual(['a0 expired'])
    expect(dueOf(planOf([EXPIRES], 'a:0*, b:1* 0', 20))).toEqual(['a0 expired', 'b1 expired'])
  })
})

describe('delete markers', () => {
  it('are due where nothing is beneath them', () => {
    expect(dueOf(planOf([MARKERS], 'a:m1*, b:m1* 0, c:1* m0', 2))).toEqual(['a1 lone-marker'])
    expect(dueOf(planOf([EXPIRES], 'a:m1*', 10))).toEqual([])
    expect(dueOf(planOf([EXPIRES], 'a:m1*', 11))).toEqual(['a1 lone-marker'])
  })

  it('are not judged at the end of a page, where more may be beneath them', () => {
    const page = planOf([MARKERS], 'a:1*, b:m1*', 2, true)
    expect(dueOf(page)).toEqual([])
    expect(page.next).toEqual({ afterKey: 'a' })
  })
})

describe('noncurrent versions', () => {
  it('count from when the next newer version was made', () => {
    expect(dueOf(planOf([NONCURRENT], 'a:9* 3 0', 8))).toEqual(['a0 noncurrent'])
    expect(dueOf(planOf([NONCURRENT], 'a:9* 3 0', 13))).toEqual(['a0 noncurrent'])
    expect(dueOf(planOf([NONCURRENT], 'a:9* 3 0', 14))).toEqual(['a3 noncurrent', 'a0 noncurrent'])
  })

  it('include delete markers', () => {
    expect(dueOf(planOf([NONCURRENT], 'a:9* m3', 14))).toEqual(['a3 noncurrent'])
  })

  it('are kept, as many as the rule says, the newest of them', () => {
    expect(dueOf(planOf([KEEPS_TWO], 'a:9* 8 7 6 5', 30))).toEqual(['a6 noncurrent', 'a5 noncurrent'])
    expect(dueOf(planOf([KEEPS_TWO], 'a:9* 8 7, b:9* 8 7 6', 30))).toEqual(['b6 noncurrent'])
  })

  it('beneath a damaged record stay: its date is not known', () => {
    expect(dueOf(planOf([NONCURRENT], 'a:!9* 3 0', 30))).toEqual(['a0 noncurrent'])
    expect(dueOf(planOf([KEEPS_TWO], 'a:9* 8 !7 6 5', 30))).toEqual(['a5 noncurrent'])
  })

  it('without what is above them stay', () => {
    expect(dueOf(planOf([NONCURRENT], 'a:3 0', 30))).toEqual(['a0 noncurrent'])
  })
})

describe('pages', () => {
  it('leave the last key to the next page', () => {
    const page = planOf([NONCURRENT], 'a:9* 1, b:9* 1', 30, true)
    expect([page.versionsSeen, dueOf(page), page.next]).toEqual([2, ['a1 noncurrent'], { afterKey: 'a' }])
  })

  it('go on in the middle of a key that fills them', () => {
    const first = planOf([KEEPS_TWO], 'a:9* 8 7', 30, true)
    expect(first.next).toEqual({
      afterKey: '',
      inKey: { key: 'a', versionId: 'a7', noncurrentSinceAt: START + 7 * DAY_MS, noncurrentCount: 2 },
    })
    const second = planOf([KEEPS_TWO], 'a:6 5, b:3* 2', 30, true, first.next)
    expect([dueOf(second), second.next]).toEqual([['a6 noncurrent', 'a5 noncurrent'], { afterKey: 'a' }])
  })

  it('end with the last one', () => {
    const page = planOf([NONCURRENT], 'a:9* 1', 30)
    expect([dueOf(page), page.next]).toEqual([['a1 noncurrent'], undefined])
    expect(planVersions([NONCURRENT], { entries: [], hasMore: false }, FIRST, START)).toEqual({
      versionsSeen: 0,
      due: [],
    })
  })
})
