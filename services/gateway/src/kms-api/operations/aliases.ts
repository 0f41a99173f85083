import { keyNameOf, scopedAliasName } from '@coffer/kms'
import { z } from 'zod'
import { aliasName, keyId, marker } from '../fields.ts'
import { secondsOf } from '../key-metadata.ts'
import { aliasArnOf, keyIdOf } from '../key-names.ts'
import { keyNamed, liveKeyNamed } from '../named-keys.ts'
import { kmsApiOperation } from '../operation.ts'
import { limitOf, moreOf, parseMarker } from '../pages.ts'

const AliasAndTarget = z.strictObject({ AliasName: aliasName, TargetKeyId: keyId })

export const createAlias = kmsApiOperation(
  AliasAndTarget,
  async ({ AliasName, TargetKeyId }, call) => {
    await call.kms.createAlias(
      scopedAliasName({ alias: AliasName, ...call.owner }),
      (await keyNamed(call, TargetKeyId)).name,
    )
    call.guards.forget()
    return undefined
  },
  { changesKeys: true },
)

/** What the alias sealed stays under the key that it named then. */
export const updateAlias = kmsApiOperation(
  AliasAndTarget,
  async ({ AliasName, TargetKeyId }, call) => {
    await call.kms.updateAlias(
      scopedAliasName({ alias: AliasName, ...call.owner }),
      (await keyNamed(call, TargetKeyId)).name,
    )
    call.guards.forget()
    return undefined
  },
  { changesKeys: true },
)

export const deleteAlias = kmsApiOperation(
  z.strictObject({ AliasName: aliasName }),
  async ({ AliasName }, call) => {
    await call.kms.deleteAlias(scopedAliasName({ alias: AliasName, ...call.owner }))
    call.guards.forget()
    return undefined
  },
  { changesKeys: true },
)

export const listAliases = kmsApiOperation(
  z.strictObject({ KeyId: keyId.optional(), Limit: limitOf(100, 50), Marker: marker.optional() }),
  async ({ KeyId, Limit, Marker }, call) => {
    const key = KeyId === undefined ? undefined : await liveKeyNamed(call, KeyId)
    const query = { afterAlias: parseMarker(Marker), limit: Limit + 1 }
    const of = key === undefined ? { ownedBy: call.owner } : { keyId: keyNameOf(key) }
    const aliases = await call.kms.listAliases({ ...query, ...of })
    const shown = aliases.slice(0, Limit)
    return {
      Aliases: shown.map((alias) => ({
        AliasName: alias.alias,
        AliasArn: aliasArnOf(alias, call),
        TargetKeyId: keyIdOf(alias, call),
        CreationDate: secondsOf(alias.createdAt),
        LastUpdatedDate: secondsOf(alias.updatedAt),
      })),
      ...moreOf(aliases.length > Limit ? shown.at(-1)?.alias : undefined),
    }
  },
)
