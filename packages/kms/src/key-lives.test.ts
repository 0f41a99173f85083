import { expect, it } from 'vitest'
import { disabled, pendingDeletion } from './key-life.ts'
import { KeyLives } from './key-lives.ts'
import { MemoryRecords } from './testing/memory-records.ts'

it('a key without a record is enabled, and one with a record is as that says, in every process', async () => {
  const records = new MemoryRecords()
  expect(await new KeyLives(records).find('k1')).toEqual({ state: 'enabled' })
  await new KeyLives(records).change('k1', disabled)
  expect(await new KeyLives(records).find('k1')).toEqual({ state: 'disabled' })
  await new KeyLives(records).change('k1', pendingDeletion(7, 1_000))
  expect(await new KeyLives(records).find('k1')).toMatchObject({ state: 'pending-deletion' })
})

it('the record of another key, put in the place of a key’s own, or one that is none, does not enable it', async () => {
  const records = new MemoryRecords()
  const lives = new KeyLives(records)
  await lives.change('k1', disabled)
  const forged = [{ format: 1, keyId: 'k2', state: 'enabled' }, { format: 2, keyId: 'k1', state: 'enabled' }, 'k1']
  for (const record of [...forged.map((each) => JSON.stringify(each)), '{']) {
    records.rows.set('life/k1', { value: Buffer.from(record), revision: 1 })
    await expect(lives.find('k1')).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
  }
})
