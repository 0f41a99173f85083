import { keyNameOf } from '@coffer/kms'
import { z } from 'zod'
import { keyId, marker } from '../fields.ts'
import { secondsOf } from '../key-metadata.ts'
import { keyArnOf } from '../key-names.ts'
import { keyNamed, liveKeyNamed } from '../named-keys.ts'
import { kmsApiOperation } from '../operation.ts'
import { limitOf, pageOf } from '../pages.ts'

const PERIOD_DAYS = 365
const OnlyKeyId = z.strictObject({ KeyId: keyId })

/** The first rotation is a period from now; the housekeeping makes it within a minute of its time. */
export const enableKeyRotation = kmsApiOperation(
  z.strictObject({ KeyId: keyId, RotationPeriodInDays: z.int().min(90).max(2560).default(PERIOD_DAYS) }),
  async ({ KeyId, RotationPeriodInDays }, call) => {
    await call.kms.setRotation((await keyNamed(call, KeyId)).name, RotationPeriodInDays)
    return undefined
  },
  { changesKeys: true },
)

export const disableKeyRotation = kmsApiOperation(
  OnlyKeyId,
  async ({ KeyId }, call) => {
    await call.kms.setRotation((await keyNamed(call, KeyId)).name, undefined)
    return undefined
  },
  { changesKeys: true },
)

export const getKeyRotationStatus = kmsApiOperation(OnlyKeyId, async ({ KeyId }, call) => {
  const key = await liveKeyNamed(call, KeyId)
  const { rotation } = await call.kms.describeSettings(keyNameOf(key))
  // As AWS: what awaits its deletion does not rotate, and goes on when that is cancelled.
  if (rotation === undefined || key.state === 'pending-deletion') {
    return { KeyId: keyArnOf(key, call), KeyRotationEnabled: false }
  }
  return {
    KeyId: keyArnOf(key, call),
    KeyRotationEnabled: true,
    RotationPeriodInDays: rotation.periodDays,
    NextRotationDate: secondsOf(rotation.nextAt),
  }
})

export const rotateKeyOnDemand = kmsApiOperation(
  OnlyKeyId,
  async ({ KeyId }, call) => ({ KeyId: keyArnOf(await call.kms.rotateKey((await keyNamed(call, KeyId)).name), call) }),
  { changesKeys: true },
)

/** Each version after the first is a rotation. */
export const listKeyRotations = kmsApiOperation(
  z.strictObject({
    KeyId: keyId,
    IncludeKeyMaterial: z.literal('ROTATIONS_ONLY').optional(),
    Limit: limitOf(1000, 100),
    Marker: marker.optional(),
  }),
  async ({ KeyId, Limit, Marker }, call) => {
    const key = await liveKeyNamed(call, KeyId)
    const { automaticVersions } = await call.kms.describeSettings(keyNameOf(key))
    const rotations = key.versions.filter(({ version }) => version > 1)
    const { page, more } = pageOf(rotations, Marker, Limit)
    return {
      Rotations: page.map(({ version, createdAt }) => ({
        KeyId: keyArnOf(key, call),
        RotationDate: secondsOf(createdAt),
        RotationType: automaticVersions.includes(version) ? 'AUTOMATIC' : 'ON_DEMAND',
      })),
      ...more,
    }
  },
)
