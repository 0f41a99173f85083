import type { ScrubReport, ScrubRequest } from '@coffer/contracts'
import { createLogger, type Mesh } from '@coffer/mesh'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type Housekeeping, startHousekeeping } from './housekeeping.ts'

const MINUTE_MS = 60_000
const logger = createLogger({ level: 'silent', name: 'test', json: true })
const CLEAN: ScrubReport = { blobsSeen: 1, orphansRemoved: 0, garbageRemoved: 0, damaged: [], incomplete: [] }

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] }))
afterEach(() => void vi.useRealTimers())

/** A store whose scrubs report these one after the other, and nothing new after the last. */
function keptHouse(reports: readonly (ScrubReport | Error)[]) {
  const asked: (ScrubRequest | undefined)[] = []
  const told: ScrubReport[] = []
  let garbageCount = 0
  const services = {
    rotation: {
      async scrub(request?: ScrubRequest) {
        const report = reports[asked.push(request) - 1] ?? CLEAN
        if (report instanceof Error) throw report
        return report
      },
      removeGarbage: async () => {
        garbageCount++
        return 0
      },
    },
    crypto: { removeLeftBucketKeys: async () => ({ removedCount: 0 }) },
    kms: {
      destroyDueKeys: async () => ({ destroyed: [], stillNeeded: [] }),
      rotateDueKeys: async () => ({ rotated: [], failed: [] }),
    },
    // The lifecycle rules of today are applied.
    metadata: {
      findRecord: async () => ({
        value: Buffer.from(JSON.stringify({ format: 1, startedAt: Date.now(), hasEnded: true })),
      }),
    },
  }
  const mesh = { use: (name: keyof typeof services) => services[name] } as unknown as Mesh
  const housekeeping: Housekeeping = startHousekeeping(mesh, logger, (report) => told.push(report))
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return {
    asked,
    told,
    garbage: () => garbageCount,
    async aMinuteLater() {
      await settle()
      vi.advanceTimersByTime(MINUTE_MS)
      await settle()
    },
    settle,
    stop: () => housekeeping.stop(),
    scrubSoon: () => housekeeping.scrubSoon(),
  }
}

it('goes on each minute with the stores that a scrub had to leave out, and with no others', async () => {
  const damagedHere = { blobId: 'a', problem: 'missing' } as const
  const damagedThere = { blobId: 'b-01', problem: 'size' } as const
  const away = { store: 'slow', code: 'BLOB_UNAVAILABLE' }
  const house = keptHouse([
    { ...CLEAN, damaged: [damagedHere], incomplete: [away] },
    { ...CLEAN, incomplete: [away] },
    new Error('the metadata is away for once'),
    { ...CLEAN, damaged: [damagedThere] },
  ])
  await house.settle()
  expect(house.asked).toEqual([undefined])
  for (let minute = 0; minute < 5; minute++) await house.aMinuteLater()
  const rest = { stores: ['slow'] }
  expect(house.asked).toEqual([undefined, rest, rest, rest])
  // What was found in the others is still so.
  expect(house.told.at(-1)).toMatchObject({ damaged: [damagedHere, damagedThere], incomplete: [] })
  // What commits drop is removed meanwhile.
  expect(house.garbage()).toBe(5)
  await house.stop()
})

it('tells damage once in a store that cannot be gone through to its end, however often it is tried', async () => {
  const failing = { store: 'default', code: 'BLOB_IO_FAILED' }
  const pass: ScrubReport = { ...CLEAN, damaged: [{ blobId: 'a', problem: 'unreadable' }], incomplete: [failing] }
  const later: ScrubReport = { ...pass, damaged: [{ blobId: 'a', problem: 'missing' }] }
  const house = keptHouse([pass, pass, pass, later])
  for (let minute = 0; minute < 4; minute++) await house.aMinuteLater()
  expect(house.told.slice(0, 3)).toEqual([pass, pass, pass])
  expect(house.told[3]).toEqual(later)
  await house.stop()
})

it('begins anew with all stores when a writer has died', async () => {
  const house = keptHouse([{ ...CLEAN, incomplete: [{ store: 'slow', code: 'BLOB_UNAVAILABLE' }] }])
  await house.settle()
  house.scrubSoon()
  await house.settle()
  expect(house.asked).toEqual([undefined, undefined])
  expect(house.told.at(-1)).toEqual(CLEAN)
  await house.aMinuteLater()
  expect(house.asked).toHaveLength(2)
  await house.stop()
})
