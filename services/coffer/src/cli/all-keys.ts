import type { KeyOwner, LocatedKey } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'

const PAGE = 500

/** The master keys of every connector; of one account, if it is said. */
export async function allKeys(mesh: Mesh, ownedBy?: KeyOwner): Promise<readonly LocatedKey[]> {
  const kms = mesh.use('kms')
  const keys: LocatedKey[] = []
  for (const connector of await kms.listConnectors()) {
    let page: readonly LocatedKey[] = []
    do {
      const query = { connector, afterKeyId: page.at(-1)?.keyId ?? '', limit: PAGE }
      page = await kms.listKeys({ ...query, ...(ownedBy && { ownedBy }) })
      keys.push(...page)
    } while (page.length === PAGE)
  }
  return keys
}
