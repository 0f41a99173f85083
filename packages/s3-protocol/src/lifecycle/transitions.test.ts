import { expect, it } from 'vitest'
import { STORAGE_CLASSES, type StorageClass } from '../storage-class.ts'
import type { LifecycleRule } from './lifecycle-rules.ts'
import { type ClassedObject, mayBecome, noncurrentTransitionDue, transitionDue } from './transitions.ts'

const DAY_MS = 86_400_000
const MADE = Date.UTC(2026, 0, 1, 10)
const at = (days: number): number => Date.UTC(2026, 0, 1) + days * DAY_MS
const ruleOf = (more: Partial<LifecycleRule>): LifecycleRule => ({ id: 'r', isEnabled: true, filter: {}, ...more })
const objectOf = (more: Partial<ClassedObject> = {}): ClassedObject => ({
  key: 'k',
  sizeBytes: 1_000_000,
  lastModifiedAt: MADE,
  isDeleteMarker: false,
  tags: {},
  storageClass: 'STANDARD',
  ...more,
})
const DOWN = ruleOf({
  transitions: [
    { days: 30, storageClass: 'STANDARD_IA' },
    { days: 90, storageClass: 'GLACIER_IR' },
  ],
})

it('is due at the midnight after its days, and the furthest down of those that are', () => {
  expect(transitionDue([DOWN], objectOf(), at(30))).toBeUndefined()
  expect(transitionDue([DOWN], objectOf(), at(31))).toBe('STANDARD_IA')
  expect(transitionDue([DOWN], objectOf({ storageClass: 'STANDARD_IA' }), at(31))).toBeUndefined()
  expect(transitionDue([DOWN], objectOf({ storageClass: 'STANDARD_IA' }), at(91))).toBe('GLACIER_IR')
  expect(transitionDue([DOWN], objectOf(), at(400))).toBe('GLACIER_IR')
  expect(transitionDue([{ ...DOWN, isEnabled: false }], objectOf(), at(400))).toBeUndefined()
  const dated = ruleOf({ transitions: [{ dateAt: at(5), storageClass: 'GLACIER_IR' }] })
  expect([4, 5].map((day) => transitionDue([dated], objectOf(), at(day)))).toEqual([undefined, 'GLACIER_IR'])
})

it('leaves delete markers, and what is smaller than 128 KiB unless the rule speaks of sizes', () => {
  expect(transitionDue([DOWN], objectOf({ isDeleteMarker: true }), at(400))).toBeUndefined()
  expect(transitionDue([DOWN], objectOf({ sizeBytes: 131_071 }), at(400))).toBeUndefined()
  expect(transitionDue([DOWN], objectOf({ sizeBytes: 131_072 }), at(400))).toBe('GLACIER_IR')
  const sized = { ...DOWN, filter: { sizeBytesGreaterThan: 10 } }
  expect(transitionDue([sized], objectOf({ sizeBytes: 11 }), at(400))).toBe('GLACIER_IR')
  expect(transitionDue([{ ...DOWN, filter: { prefix: 'x' } }], objectOf(), at(400))).toBeUndefined()
})

it('of a noncurrent version counts from when it became that, and leaves the newest', () => {
  const rule = ruleOf({
    noncurrentVersionTransitions: [{ noncurrentDays: 5, newerNoncurrentVersions: 1, storageClass: 'GLACIER_IR' }],
  })
  const due = (newer: number, day: number) => noncurrentTransitionDue([rule], objectOf(), MADE, newer, at(day))
  expect([due(1, 5), due(1, 6), due(0, 100)]).toEqual([undefined, 'GLACIER_IR', undefined])
})

it('goes down only (S3 User Guide, "Supported transitions")', () => {
  const downFrom = (from: StorageClass) => STORAGE_CLASSES.filter((to) => mayBecome(from, to))
  expect(Object.fromEntries(STORAGE_CLASSES.map((from) => [from, downFrom(from)]))).toEqual({
    STANDARD: ['STANDARD_IA', 'INTELLIGENT_TIERING', 'ONEZONE_IA', 'GLACIER_IR'],
    REDUCED_REDUNDANCY: ['STANDARD_IA', 'INTELLIGENT_TIERING', 'ONEZONE_IA', 'GLACIER_IR'],
    STANDARD_IA: ['INTELLIGENT_TIERING', 'ONEZONE_IA', 'GLACIER_IR'],
    INTELLIGENT_TIERING: ['ONEZONE_IA', 'GLACIER_IR'],
    ONEZONE_IA: [],
    GLACIER_IR: [],
  })
})
