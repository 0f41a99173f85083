import { type KmsConnector, keyNameOf, type WrappingKey } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import type { KeyChecks } from './key-checks.ts'

const PAGE = 500

/** Of a key. */
export interface Forgetting {
  /** Aliases and grants. */
  names(key: KeyPlace): Promise<void>
  /** Whose it is, and all else. */
  settings(key: KeyPlace): Promise<void>
}

type KeyPlace = Pick<WrappingKey, 'connector' | 'keyId'>

/** A key that something needs is never erased, whoever scheduled it: what needs it is counted again when it is due. */
export async function destroyDueKeys(
  mesh: Mesh,
  connectors: readonly KmsConnector[],
  forget: Forgetting,
  checks: KeyChecks,
): Promise<{ destroyed: readonly string[]; stillNeeded: readonly string[] }> {
  const destroyed: string[] = []
  const stillNeeded: string[] = []
  for (const connector of connectors) {
    if (connector.destroyKey === undefined) continue
    for await (const keyId of dueKeys(connector)) {
      const key = { connector: connector.name, keyId }
      const name = keyNameOf(key)
      const { versions } = await mesh.use('rotation').keyUse(name)
      if (versions.length > 0) {
        stillNeeded.push(name)
        continue
      }
      // First what names it: cut short here, the key is still due in the next minute.
      await forget.names(key)
      // Cut short after it is erased, the rest is forgotten then.
      await checks.plan(key, Date.now())
      await connector.destroyKey(keyId)
      // Without its settings it would be the first account's: while it is there, its deletion can be cancelled.
      await forget.settings(key)
      destroyed.push(name)
    }
  }
  return { destroyed, stillNeeded }
}

async function* dueKeys(connector: KmsConnector): AsyncGenerator<string> {
  const now = Date.now()
  for (let afterKeyId = ''; ; ) {
    const page = await connector.listKeys({ afterKeyId, limit: PAGE })
    for (const { keyId, state, deletionAt } of page) {
      if (state === 'pending-deletion' && deletionAt !== undefined && deletionAt <= now) yield keyId
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    afterKeyId = last.keyId
  }
}
