import type { KeySettings, LocatedKey } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { type RemovableRecords, untilUnchanged } from '@coffer/kms'
import { SettingsRecords } from './settings-records.ts'

const DAY_MS = 24 * 3600 * 1000

interface RotatedKeys {
  describeKey(keyId: string): Promise<LocatedKey>
  rotateKey(keyId: string): Promise<LocatedKey>
}

/** When a key that begins a period now is to be rotated. Milliseconds since 1970. */
export function nextRotation(nowMs: number, periodDays: number): number {
  return nowMs + periodDays * DAY_MS
}

/**
 * Rotates the keys whose period is over. A version made since the date counts as the rotation: so one that was cut short
 * before it was written down is not made twice.
 */
export async function rotateDueKeys(
  records: RemovableRecords,
  keys: RotatedKeys,
): Promise<{ rotated: readonly string[]; failed: readonly string[] }> {
  const settings = new SettingsRecords(records)
  const rotated: string[] = []
  const failed: string[] = []
  for await (const { name, settings: found } of settings.all()) {
    if (found.rotation === undefined || found.rotation.nextAt > Date.now()) continue
    try {
      if (await rotateDueKey(name, found.rotation.nextAt, settings, keys)) rotated.push(name)
    } catch (error) {
      if (!isCofferError(error)) throw error
      failed.push(name)
    }
  }
  return { rotated, failed }
}

/** False: the key is not enabled. It stays due, and is rotated when it is enabled again, as AWS does. */
async function rotateDueKey(name: string, dueAt: number, settings: SettingsRecords, keys: RotatedKeys) {
  const key = await keys.describeKey(name)
  if (key.state !== 'enabled') return false
  const newestAt = key.versions.at(-1)?.createdAt ?? 0
  const { currentVersion } = newestAt >= dueAt ? key : await keys.rotateKey(name)
  await untilUnchanged(name, async () => {
    const { settings: before, revision } = await settings.find(name)
    await settings.put(name, rotatedTo(currentVersion, before), revision)
  })
  return true
}

function rotatedTo(version: number, { rotation, automaticVersions, ...rest }: KeySettings): KeySettings {
  const versions = automaticVersions.includes(version) ? automaticVersions : [...automaticVersions, version]
  if (rotation === undefined) return { ...rest, automaticVersions: versions }
  const next = nextRotation(rotation.nextAt, rotation.periodDays)
  const nextAt = next > Date.now() ? next : nextRotation(Date.now(), rotation.periodDays)
  return { ...rest, automaticVersions: versions, rotation: { ...rotation, nextAt } }
}
