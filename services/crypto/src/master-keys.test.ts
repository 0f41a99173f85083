import type { KmsService, LocatedKey } from '@coffer/contracts'
import { CofferError } from '@coffer/errors'
import { describe, expect, it } from 'vitest'
import { MasterKeys } from './master-keys.ts'

const MINUTE_MS = 60_000
const KEY: LocatedKey = {
  connector: 'vault',
  keyId: 'k',
  state: 'enabled',
  createdAt: 0,
  currentVersion: 1,
  versions: [{ version: 1, createdAt: 0 }],
}

/** A KMS whose key can be disabled, and that can be away. */
function scripted() {
  const kms = { key: KEY, isAway: false, asked: 0 }
  const clock = { nowMs: 0 }
  const describeKey = async () => {
    kms.asked++
    if (kms.isAway) throw new CofferError({ code: 'KMS_UNAVAILABLE', message: 'away' })
    return kms.key
  }
  const masterKeys = new MasterKeys({ describeKey } as unknown as KmsService, () => clock.nowMs)
  return { kms, clock, use: async () => await masterKeys.usable('vault/k') }
}

describe('what is known of a master key', () => {
  it('is relied on for less than a second: then a key that was disabled opens nothing', async () => {
    const { kms, clock, use } = scripted()
    expect(await use()).toEqual(KEY)
    kms.key = { ...KEY, state: 'disabled' }
    clock.nowMs = 800
    expect(await use()).toEqual(KEY)
    expect(kms.asked).toBe(1)
    clock.nowMs = 1_000
    await expect(use()).rejects.toMatchObject({ code: 'KMS_KEY_DISABLED' })
  })

  it.each([
    ['disabled', 'KMS_KEY_DISABLED'],
    ['pending-deletion', 'KMS_KEY_PENDING_DELETION'],
    ['destroyed', 'KMS_KEY_NOT_FOUND'],
  ] as const)('that is %s is refused, also from memory and while its KMS is away', async (state, code) => {
    const { kms, clock, use } = scripted()
    kms.key = { ...KEY, state }
    await expect(use()).rejects.toMatchObject({ code })
    await expect(use()).rejects.toMatchObject({ code })
    kms.isAway = true
    clock.nowMs = 5_000
    await expect(use()).rejects.toMatchObject({ code })
  })

  it('stands in for a KMS that is away for a quarter of an hour, not for ever', async () => {
    const { kms, clock, use } = scripted()
    await use()
    kms.isAway = true
    for (clock.nowMs = MINUTE_MS; clock.nowMs <= 15 * MINUTE_MS; clock.nowMs += MINUTE_MS)
      expect(await use()).toEqual(KEY)
    clock.nowMs = 16 * MINUTE_MS
    await expect(use()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
  })
})
