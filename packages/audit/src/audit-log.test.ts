import { describe, expect, it, vi } from 'vitest'
import { AuditLog, type WhenStalled } from './audit-log.ts'
import type { AuditTarget } from './audit-target.ts'
import { recordOf, testSigner } from './testing/records.ts'

/** A target that takes nothing until it is told to. */
class ManualTarget implements AuditTarget {
  readonly lines: string[] = []
  isOpen = false

  async write(lines: readonly string[]): Promise<void> {
    if (!this.isOpen) throw new Error('stalled')
    this.lines.push(...lines)
  }

  async close(): Promise<void> {}
}

const PATIENCE = { timeout: 60_000 }

describe('the audit log with a target that has stalled', () => {
  const open = (whenStalled: WhenStalled, trouble: string[] = []) => {
    const target = new ManualTarget()
    const log = new AuditLog({
      chain: 'c',
      writer: 'test',
      mode: 'all',
      targets: [target],
      whenStalled,
      queueRecordsMax: 5,
      sign: testSigner().sign,
      onTrouble: (event) => trouble.push(event),
    })
    for (let index = 0; index < 10; index++) log.record(recordOf({ key: `k${index}` }))
    return { target, log }
  }
  const kinds = (target: ManualTarget) =>
    target.lines.map((line) => JSON.parse(line) as { kind: string; key?: string; dropped?: number })

  it('lets requests wait until it takes records again', async () => {
    const trouble: string[] = []
    const { target, log } = open('block', trouble)
    let isAdmitted = false
    const admitted = log.admit()?.then(() => {
      isAdmitted = true
    })
    await vi.waitFor(() => expect(trouble).toEqual(['stalled']), PATIENCE)
    expect(isAdmitted).toBe(false)
    target.isOpen = true
    await admitted
    expect(log.admit()).toBeUndefined()
    await log.close(60_000)
    expect(kinds(target).filter(({ kind }) => kind === 'request')).toHaveLength(10)
    expect(trouble).toEqual(['stalled', 'recovered'])
  })

  it('refuses requests, and still loses none that was let in', async () => {
    const { target, log } = open('refuse')
    await expect(log.admit()).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    target.isOpen = true
    await vi.waitFor(async () => await log.admit(), PATIENCE)
    await log.close(60_000)
    expect(kinds(target).filter(({ kind }) => kind === 'request')).toHaveLength(10)
  })

  it('drops and counts, and leaves a record of the gap', async () => {
    const { target, log } = open('drop')
    expect(log.admit()).toBeUndefined()
    target.isOpen = true
    await vi.waitFor(() => expect(kinds(target).some(({ kind }) => kind === 'gap')).toBe(true), PATIENCE)
    await log.close(60_000)
    const records = kinds(target)
    const dropped = records.reduce((sum, record) => sum + (record.dropped ?? 0), 0)
    expect(records.filter(({ kind }) => kind === 'request').length + dropped).toBe(10)
    expect(dropped).toBeGreaterThan(0)
  })

  it('tells how many records are lost where it has to end', async () => {
    const trouble: string[] = []
    const { log } = open('block', trouble)
    await log.close(50)
    expect(trouble).toContain('lost')
  })
})
