import type { KeySettings, KeySettingsActions, LocatedKey } from '@coffer/contracts'
import { assertUsable, keyNameOf, kmsError, type RemovableRecords, untilUnchanged } from '@coffer/kms'
import { nextRotation } from './rotate-due-keys.ts'
import { SettingsRecords } from './settings-records.ts'

/** AWS KMS, "Resource quotas": tags per KMS key. */
const TAGS_MAX = 50

type SettingsActions = Omit<KeySettingsActions, 'rotateDueKeys' | 'findKeyPolicy'>

/** What is kept of keys beside their connectors. Each change is made on top of what others change meanwhile. */
export function createKeySettings(
  records: RemovableRecords,
  describeKey: (keyId: string) => Promise<LocatedKey>,
): SettingsActions {
  const settings = new SettingsRecords(records)

  const nameOf = async (keyId: string): Promise<string> => {
    const key = await describeKey(keyId)
    if (key.state === 'destroyed') throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
    return keyNameOf(key)
  }
  const change = async (name: string, to: (before: KeySettings) => KeySettings): Promise<KeySettings> =>
    untilUnchanged(name, async () => {
      const { settings: before, revision } = await settings.find(name)
      const after = to(before)
      if (after !== before) await settings.put(name, after, revision)
      return after
    })

  return {
    async describeSettings(keyId) {
      return (await settings.find(await nameOf(keyId))).settings
    },
    async setDescription(keyId, description) {
      return change(await nameOf(keyId), (before) => ({ ...before, description }))
    },
    async setKeyPolicy(keyId, policy, policyPrincipals) {
      return change(await nameOf(keyId), (before) => ({ ...before, policy, policyPrincipals }))
    },
    async tagKey(keyId, added) {
      return change(await nameOf(keyId), (before) => {
        const tags = new Map([...before.tags, ...added].map(({ key, value }) => [key, value]))
        if (tags.size > TAGS_MAX) throw kmsError('KMS_LIMIT_EXCEEDED', { keyId, tagsMax: TAGS_MAX })
        const sorted = [...tags].sort(([a], [b]) => (a < b ? -1 : 1))
        return { ...before, tags: sorted.map(([key, value]) => ({ key, value })) }
      })
    },
    async untagKey(keyId, tagKeys) {
      return change(await nameOf(keyId), (before) => ({
        ...before,
        tags: before.tags.filter(({ key }) => !tagKeys.includes(key)),
      }))
    },
    async setRotation(keyId, periodDays) {
      const key = await describeKey(keyId)
      assertUsable(key, keyId)
      return change(keyNameOf(key), (before) => {
        const { rotation, ...rest } = before
        if (periodDays === undefined) return rest
        if (rotation?.periodDays === periodDays) return before
        return { ...rest, rotation: { periodDays, nextAt: nextRotation(Date.now(), periodDays) } }
      })
    },
  }
}
