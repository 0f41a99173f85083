import { CofferError } from '@coffer/errors'
import type { KmsConnector } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import { expect, it } from 'vitest'
import { destroyDueKeys } from './destroy-due-keys.ts'

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
  const forget = {
    names: async () => void done.push('names'),
    settings: async (...key: string[]) => void done.push(`settings of ${key.join('/')}`),
  }
  await expect(destroyDueKeys(mesh, [connector], forget)).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
  expect(done).toEqual(['names'])
  isAway = false
  expect((await destroyDueKeys(mesh, [connector], forget)).destroyed).toEqual(['vault/blue'])
  expect(done.slice(1)).toEqual(['names', 'destroyed', 'settings of vault/blue'])
})
