import { createLogger, Mesh } from '@coffer/mesh'
import { afterEach, expect, it } from 'vitest'
import { walkUsage } from './usage-walk.ts'

const logger = createLogger({ level: 'silent', name: 'test', json: true })
let mesh: Mesh | undefined
afterEach(() => mesh?.stop())

/** Accounts with so many buckets each, of which one holds as many versions as its number says, of ten bytes each. */
async function meshOf(bucketCounts: readonly number[]) {
  const asked = { buckets: 0, accounts: 0, pages: 0 }
  const usageOf = (versionCount: number) => ({ versionCount, deleteMarkerCount: 1, sizeBytes: 10 * versionCount })
  const started = await Mesh.start({ logger })
  mesh = started
  const iam = { listAccounts: async () => bucketCounts.map((_, index) => ({ accountId: String(index) })) }
  const metadata = {
    async listBuckets(query: { ownerAccountId: string; afterName: string; limit: number }) {
      asked.pages++
      const count = bucketCounts[Number(query.ownerAccountId)] ?? 0
      const from = query.afterName === '' ? 0 : Number(query.afterName.split('-')[1]) + 1
      const numbers = Array.from({ length: Math.min(query.limit, count - from) }, (_, index) => from + index)
      const buckets = numbers.map((number) => ({ id: String(number), name: `${query.ownerAccountId}-${number}` }))
      const isLast = from + numbers.length >= count
      return { buckets, ...(!isLast && { next: buckets.at(-1)?.name }) }
    },
    async getUsage(scope: { bucketId?: string; accountId?: string }) {
      if (scope.bucketId === undefined) {
        asked.accounts++
        return usageOf(100)
      }
      asked.buckets++
      return usageOf(Number(scope.bucketId))
    },
  }
  await started.provide('iam', iam as never, [])
  await started.provide('metadata', metadata as never, [])
  return { started, asked }
}

it('sums the counters of accounts, and asks for no bucket of its own', async () => {
  const { started, asked } = await meshOf([3, 0, 450])
  const rests: number[] = []
  const sum = await walkUsage(started, 0, async (ms) => rests.push(ms))
  expect(sum).toEqual({ bucketCount: 453, versionCount: 300, deleteMarkerCount: 3, sizeBytes: 3_000, largest: [] })
  expect(asked).toEqual({ buckets: 0, accounts: 3, pages: 5 })
  // No more than a thousand buckets a second: 200, a rest, 200, a rest, 50.
  expect(rests).toEqual([200, 200])
})

it('names the largest buckets of all accounts, and no more than it may', async () => {
  const { started, asked } = await meshOf([900, 905])
  const { largest, bucketCount } = await walkUsage(started, 7, async () => {})
  expect([bucketCount, asked.buckets]).toEqual([1_805, 1_805])
  expect(largest.map(({ bucket }) => bucket)).toEqual(['1-904', '1-903', '1-902', '1-901', '1-900', '0-899', '1-899'])
  expect(largest[0]).toEqual({ bucket: '1-904', versionCount: 904, sizeBytes: 9_040 })
})
