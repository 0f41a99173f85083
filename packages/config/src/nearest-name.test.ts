import { expect, test } from 'vitest'
import { nearestName } from './nearest-name.ts'

test('a slip of the finger finds the name that was meant', () => {
  expect(nearestName('wrokers', ['workers', 'region'])).toBe('workers')
  expect(nearestName('REGOIN', ['workers', 'region'])).toBe('region')
})

test('a name that is like none gets no suggestion', () => {
  expect(nearestName('bananas', ['workers', 'region', 'domains'])).toBeUndefined()
})
