import { keyNameOf } from '@coffer/kms'
import { z } from 'zod'
import { keyId, marker } from '../fields.ts'
import { liveKeyNamed } from '../named-keys.ts'
import { kmsApiOperation } from '../operation.ts'
import { limitOf, pageOf } from '../pages.ts'
import { assertTags, keyTagsOf, tags } from '../tags.ts'

export const tagResource = kmsApiOperation(
  z.strictObject({ KeyId: keyId, Tags: tags }),
  async ({ KeyId, Tags }, call) => {
    assertTags(Tags)
    const key = await liveKeyNamed(call, KeyId)
    await call.kms.tagKey(keyNameOf(key), keyTagsOf(Tags))
    call.guards.forget()
    return undefined
  },
  { changesKeys: true },
)

/** Tags that are not there are gone already. */
export const untagResource = kmsApiOperation(
  z.strictObject({ KeyId: keyId, TagKeys: z.array(z.string().min(1).max(128)).max(50) }),
  async ({ KeyId, TagKeys }, call) => {
    const key = await liveKeyNamed(call, KeyId)
    await call.kms.untagKey(keyNameOf(key), TagKeys)
    call.guards.forget()
    return undefined
  },
  { changesKeys: true },
)

export const listResourceTags = kmsApiOperation(
  z.strictObject({ KeyId: keyId, Limit: limitOf(50, 50), Marker: marker.optional() }),
  async ({ KeyId, Limit, Marker }, call) => {
    const key = await liveKeyNamed(call, KeyId)
    const settings = await call.kms.describeSettings(keyNameOf(key))
    const { page, more } = pageOf(settings.tags, Marker, Limit)
    return { Tags: page.map((tag) => ({ TagKey: tag.key, TagValue: tag.value })), ...more }
  },
)
