import { CofferError } from '@coffer/errors'
import { type KmsConnector, keyNameOf } from '@coffer/kms'
import { MemoryRecords } from '@coffer/kms/testing'
import type { Mesh } from '@coffer/mesh'
import { expect, it } from 'vitest'
import { destroyDueKeys, type Forgetting } from './destroy-due-keys.ts'
import { KeyChecks } from './key-checks.ts'

it('a key keeps its owner and policy until it is destroyed: whoever has none of it cannot cancel that', async () => {
  const done: string[] = []
  let isAway = true
  const connector = {
    name: 'vault',
    listKeys: async () => [{ keyId: 'blue', state: 'pending-deletion', deletionAt: 1 }],
    destroyKey: async () => {
      if (isAway) throw new CofferError({ code: 'KMS_UNAVAILABLE', message: 'away' })
      done.push('destroyed')
    },
  } as unknown as KmsConnector
  const mesh = { use: () => ({ keyUse: async () => ({ versions: [] }) }) } as unknown as Mesh
  const forget: Forgetting = {
    names: async () => void done.push('names'),
    settings: async (key) => void done.push(`settings of ${keyNameOf(key)}`),
  }
  const records = new MemoryRecords()
  const checks = new KeyChecks(records, { connectors: [connector], forget })
  await expect(destroyDueKeys(mesh, [connector], forget, checks)).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
  expect(done).toEqual(['names'])
  isAway = false
  expect((await destroyDueKeys(mesh, [connector], forget, checks)).destroyed).toEqual(['vault/blue'])
  expect(done.slice(1)).toEqual(['names', 'destroyed', 'settings of vault/blue'])
})
