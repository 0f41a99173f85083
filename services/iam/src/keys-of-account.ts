import type { KmsService } from '@coffer/contracts'
import { keyNameOf } from '@coffer/kms'

const PAGE = 500

/** A master key of an account, if it has any: one that awaits its deletion is one, as that can be cancelled. */
export async function findKeyOf(kms: KmsService, ownerAccountId: string): Promise<string | undefined> {
  for (const connector of await kms.listConnectors()) {
    for (let afterKeyId = ''; ; ) {
      const page = await kms.listKeys({ connector, ownedBy: { ownerAccountId }, afterKeyId, limit: PAGE })
      const found = page.find(({ state }) => state !== 'destroyed')
      if (found !== undefined) return keyNameOf(found)
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) break
      afterKeyId = last.keyId
    }
  }
  return undefined
}
