import { createPublicKey, verify } from 'node:crypto'
import { checkpointText } from '@coffer/audit'
import { MemoryRecords } from '@coffer/kms/testing'
import { describe, expect, it } from 'vitest'
import { createAuditSigning } from './audit-signing.ts'

const headOf = (seq: number, digit = 'a') => ({ chain: '0123456789abcdef', seq, hash: digit.repeat(64) })
const refused = { code: 'AUDIT_HEAD_REFUSED' }

describe('the signature under a place of the audit trail', () => {
  it('is of one key in all processes, also where several make it at once', async () => {
    const records = new MemoryRecords()
    const processes = Array.from({ length: 4 }, () => createAuditSigning(records))
    const keys = await Promise.all(processes.map((each) => each.auditPublicKey()))
    expect(new Set(keys).size).toBe(1)
    const signed = await processes[3]?.signAuditHead(headOf(1))
    const signature = Buffer.from(signed?.signature ?? '', 'base64')
    const digest = signed?.algorithm === 'Ed25519' ? null : 'sha256'
    expect(verify(digest, checkpointText(headOf(1)), createPublicKey(keys[0] ?? ''), signature)).toBe(true)
  })

  it('is given to no place before the last that was signed: what came after could be cut off', async () => {
    const records = new MemoryRecords()
    await createAuditSigning(records).signAuditHead(headOf(5))
    for (const seq of [4, 1]) {
      await expect(createAuditSigning(records).signAuditHead(headOf(seq))).rejects.toMatchObject(refused)
    }
    expect(await createAuditSigning(records).listAuditHeads({ afterChain: '', limit: 10 })).toEqual([headOf(5)])
  })

  it('is given to the same place again, and not to another record at that place', async () => {
    const signing = createAuditSigning(new MemoryRecords())
    const first = await signing.signAuditHead(headOf(5))
    expect((await signing.signAuditHead(headOf(5))).upTo).toEqual(first.upTo)
    await expect(signing.signAuditHead(headOf(5, 'b'))).rejects.toMatchObject(refused)
    expect((await signing.signAuditHead(headOf(6, 'b'))).upTo).toEqual(headOf(6, 'b'))
  })

  it('is given to one of several that ask for the same place at once, where they say different things', async () => {
    const records = new MemoryRecords()
    const asked = ['a', 'b', 'c'].map((digit) => createAuditSigning(records).signAuditHead(headOf(1, digit)))
    const answers = await Promise.allSettled(asked)
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it.each([
    ['a chain with a line feed, which would make another text of it', { chain: '0123456789abcde\n' }],
    ['no number', { seq: Number.NaN }],
    ['a number before the first', { seq: 0 }],
    ['a hash that is none', { hash: 'a' }],
  ])('is given to nothing else: %s', async (_what, change) => {
    const signing = createAuditSigning(new MemoryRecords())
    await expect(signing.signAuditHead({ ...headOf(1), ...change })).rejects.toMatchObject(refused)
  })
})
