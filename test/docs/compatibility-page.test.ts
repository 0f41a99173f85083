import { readFileSync } from 'node:fs'
import { OPERATION_NAMES } from '@coffer/s3-protocol'
import { ANSWERED_OPERATIONS } from '@coffer/service-gateway'
import { expect, it } from 'vitest'
import { COMPATIBILITY_PAGE, compatibilityPage } from './compatibility-page.ts'

it('docs/s3-compatibility.md is what the registry and the tests say (node test/docs/write-compatibility-page.ts writes it)', () => {
  expect(readFileSync(COMPATIBILITY_PAGE, 'utf8')).toBe(compatibilityPage())
})

it('every operation that is answered has a route', () => {
  expect(ANSWERED_OPERATIONS.filter((name) => !OPERATION_NAMES.includes(name))).toEqual([])
})
