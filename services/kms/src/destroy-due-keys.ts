import { type KmsConnector, keyNameOf } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'

const PAGE = 500

/** A key that something needs is never erased, whoever scheduled it: what needs it is counted again when it is due. */
export async function destroyDueKeys(
  mesh: Mesh,
  connectors: readonly KmsConnector[],
  forgetKey: (connector: string, keyId: string) => Promise<void>,
): Promise<{ destroyed: readonly string[]; stillNeeded: readonly string[] }> {
  const destroyed: string[] = []
  const stillNeeded: string[] = []
  for (const connector of connectors) {
    if (connector.destroyKey === undefined) continue
    for await (const keyId of dueKeys(connector)) {
      const name = keyNameOf({ connector: connector.name, keyId })
      const { versions } = await mesh.use('rotation').keyUse(name)
      if (versions.length > 0) {
        stillNeeded.push(name)
        continue
      }
      // First its aliases and settings: cut short here, the key is still due in the next minute.
      await forgetKey(connector.name, keyId)
      await connector.destroyKey(keyId)
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
