import type { LocatedKey, OlderKeyUse } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import { allBucketKeys } from './key-holders.ts'
import { directObjectCount } from './key-use.ts'

/** What is looked at of each: more is told to be partial. Who wants to know of one key exactly asks for its use. */
const KEYS_MAX = 1_000
const BUCKET_KEYS_MAX = 10_000
const VERSIONS_MAX = 1_000
const PAGE = 500

/**
 * Of all master keys, how many objects need a version before the newest: from the counters that every commit keeps, one look-up
 * for a bucket key. Keys of a KMS that is away are left out.
 */
export async function olderKeyUse(mesh: Mesh): Promise<OlderKeyUse> {
  const keys = await keysOf(mesh)
  const counts = new Map<string, number>()
  const add = (name: string, count: number) => counts.set(name, (counts.get(name) ?? 0) + count)
  let looked = 0
  let isPartial = keys.isPartial
  for await (const { connector, keyId, keyVersion, objectCount } of allBucketKeys(mesh)) {
    if (++looked > BUCKET_KEYS_MAX) {
      isPartial = true
      break
    }
    const name = `${connector}/${keyId}`
    if (keyVersion < (keys.known.get(name)?.currentVersion ?? 0)) add(name, objectCount)
  }
  let versionsLeft = VERSIONS_MAX
  for (const [name, key] of keys.known) {
    for (const { version } of key.versions) {
      if (version >= key.currentVersion) continue
      if (versionsLeft-- <= 0) return { keys: tableOf(keys.known, counts), isPartial: true }
      add(name, await directObjectCount(mesh, key, version))
    }
  }
  return { keys: tableOf(keys.known, counts), isPartial }
}

async function keysOf(mesh: Mesh): Promise<{ known: ReadonlyMap<string, LocatedKey>; isPartial: boolean }> {
  const kms = mesh.use('kms')
  const known = new Map<string, LocatedKey>()
  for (const connector of await kms.listConnectors()) {
    for (let afterKeyId = ''; known.size < KEYS_MAX; ) {
      const page = await kms.listKeys({ connector, afterKeyId, limit: PAGE }).catch((error: unknown) => {
        if (!isCofferError(error)) throw error
        return []
      })
      for (const key of page) known.set(`${key.connector}/${key.keyId}`, key)
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) break
      afterKeyId = last.keyId
    }
  }
  return { known, isPartial: known.size >= KEYS_MAX }
}

function tableOf(known: ReadonlyMap<string, LocatedKey>, counts: ReadonlyMap<string, number>): OlderKeyUse['keys'] {
  return [...counts].flatMap(([name, objectCount]) => {
    const key = known.get(name)
    return key === undefined || objectCount === 0 ? [] : [{ connector: key.connector, keyId: key.keyId, objectCount }]
  })
}
