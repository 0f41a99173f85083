import { describe, expect, it, vi } from 'vitest'
import { AuditLog, newChainId } from './audit-log.ts'
import type { AuditTarget } from './audit-target.ts'
import { recordOf, testSigner } from './testing/records.ts'

/** A target under test, and the other side of it. */
export interface TargetFixture {
  open(chain: string): Promise<AuditTarget>
  /** The lines that have arrived, in their order. */
  received(): Promise<readonly string[]>
  /** From now on the other side takes nothing, until `resume`. Absent: it has no way to refuse. */
  readonly interrupt?: () => Promise<void>
  readonly resume?: () => Promise<void>
  dispose(): Promise<void>
}

const PATIENCE = { timeout: 60_000, interval: 25 }

/** What every audit target must keep, run against the real thing. */
export function auditTargetContract(name: string, start: () => Promise<TargetFixture>): void {
  describe(`${name} keeps the promises of an audit target`, { timeout: 180_000 }, () => {
    const withLog = async (work: (log: AuditLog, fixture: TargetFixture) => Promise<void>): Promise<void> => {
      const fixture = await start()
      const chain = newChainId()
      const log = new AuditLog({
        chain,
        writer: 'contract',
        mode: 'all',
        targets: [await fixture.open(chain)],
        whenStalled: 'block',
        queueRecordsMax: 10_000,
        sign: testSigner().sign,
        onTrouble: () => undefined,
      })
      try {
        await work(log, fixture)
      } finally {
        await log.close(5_000)
        await fixture.dispose()
      }
    }

    it('gets every record once, in order, byte for byte', async () => {
      await withLog(async (log, fixture) => {
        const keys = Array.from({ length: 700 }, (_, index) => `k${index} \u2028 "\\ \u{1f510}`)
        for (const key of keys) log.record(recordOf({ key }))
        await vi.waitFor(async () => expect(keysIn(await fixture.received())).toHaveLength(keys.length), PATIENCE)
        expect(keysIn(await fixture.received())).toEqual(keys)
      })
    })

    it('loses nothing of what comes while the other side is away', async () => {
      await withLog(async (log, fixture) => {
        if (fixture.interrupt === undefined || fixture.resume === undefined) return
        log.record(recordOf({ key: 'before' }))
        await vi.waitFor(async () => expect(keysIn(await fixture.received())).toContain('before'), PATIENCE)
        await fixture.interrupt()
        for (let index = 0; index < 20; index++) log.record(recordOf({ key: `during-${index}` }))
        await new Promise((resolve) => setTimeout(resolve, 300))
        await fixture.resume()
        log.record(recordOf({ key: 'after' }))
        await vi.waitFor(async () => expect(keysIn(await fixture.received())).toContain('after'), PATIENCE)
        const unique = [...new Set(keysIn(await fixture.received()))]
        expect(unique).toEqual(['before', ...Array.from({ length: 20 }, (_, index) => `during-${index}`), 'after'])
      })
    })
  })
}

function keysIn(lines: readonly string[]): string[] {
  return lines.map((line) => (JSON.parse(line) as { key?: string }).key).filter((key) => key !== undefined)
}
