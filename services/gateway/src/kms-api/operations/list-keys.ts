import type { LocatedKey } from '@coffer/contracts'
import { z } from 'zod'
import { marker } from '../fields.ts'
import { keyArnOf, keyIdOf } from '../key-names.ts'
import { type KmsApiCall, kmsApiOperation } from '../operation.ts'
import { limitOf, moreOf, parseMarker } from '../pages.ts'

/** The account's keys of every connector, the default one first; a marker is the `connector/key` of the last one shown. */
export const listKeys = kmsApiOperation(
  z.strictObject({ Limit: limitOf(1000, 100), Marker: marker.optional() }),
  async ({ Limit, Marker }, call) => {
    const keys: LocatedKey[] = []
    // One more than asked for: then there is a next page.
    for await (const key of keysAfter(parseMarker(Marker), Limit + 1, call)) {
      if (keys.push(key) > Limit) break
    }
    const shown = keys.slice(0, Limit)
    const last = keys.length > Limit ? shown.at(-1) : undefined
    return {
      Keys: shown.map((key) => ({ KeyId: keyIdOf(key, call), KeyArn: keyArnOf(key, call) })),
      ...moreOf(last && `${last.connector}/${last.keyId}`),
    }
  },
)

async function* keysAfter(
  after: string,
  pageSize: number,
  { kms, owner: ownedBy }: KmsApiCall,
): AsyncGenerator<LocatedKey> {
  const connectors = await kms.listConnectors()
  const [afterConnector = '', afterKeyId = ''] = after.split('/', 2)
  // Of a connector that is configured no longer: from the beginning, rather than silently nothing.
  const first = Math.max(0, connectors.indexOf(afterConnector))
  for (const connector of connectors.slice(first)) {
    let last = connector === afterConnector ? afterKeyId : ''
    for (;;) {
      const page = await kms.listKeys({ connector, ownedBy, afterKeyId: last, limit: pageSize })
      for (const key of page) if (key.state !== 'destroyed') yield key
      const end = page.at(-1)
      if (end === undefined || page.length < pageSize) break
      last = end.keyId
    }
  }
}
