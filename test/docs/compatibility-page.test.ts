import { readFileSync } from 'node:fs'
import * as sdk from '@aws-sdk/client-s3'
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

/** S3 Object Lambda's own endpoint; and of directory buckets, of which a server without any has none to list. */
const NOT_OF_BUCKETS = ['ListDirectoryBuckets', 'WriteGetObjectResponse']

it('every call that the SDK of AWS knows of has a row, so that none is taken for another one', () => {
  const calls = Object.keys(sdk).flatMap((name) => /^(\w+)Command$/.exec(name)?.[1] ?? [])
  expect(calls.length).toBeGreaterThan(100)
  expect(calls.filter((name) => !OPERATION_NAMES.includes(name)).toSorted()).toEqual(NOT_OF_BUCKETS)
})
