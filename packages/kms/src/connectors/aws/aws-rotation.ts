import { GetKeyRotationStatusCommand, RotateKeyOnDemandCommand } from '@aws-sdk/client-kms'
import { kmsError } from '../../errors.ts'
import type { AwsClient } from './aws-client.ts'
import { isConflict } from './aws-errors.ts'
import type { AwsKey } from './aws-key.ts'
import type { AwsKeys } from './aws-keys.ts'
import { Patience } from './patience.ts'

/**
 * Rotates a key and waits until AWS has done it (KMS API Reference, RotateKeyOnDemand): what is wrapped afterwards is wrapped
 * under the new version. KMS_UNAVAILABLE with the reason `rotation-in-progress` if that takes longer than a call may.
 */
export async function rotate(client: AwsClient, keys: AwsKeys, keyId: string): Promise<AwsKey> {
  const patience = new Patience(client.timeoutMs)
  const pause = () => patience.pause(() => kmsError('KMS_UNAVAILABLE', { keyId, reason: 'rotation-in-progress' }))
  for (;;) {
    const before = await keys.getUsable(keyId)
    if (await begin(client, keyId, before.awsId)) return end(client, keys, keyId, before, pause)
    await pause()
  }
}

/** False while another rotation is under way: this one is to be counted too. */
async function begin(client: AwsClient, keyId: string, awsId: string): Promise<boolean> {
  try {
    await client.call({ keyId }, (kms, options) => kms.send(new RotateKeyOnDemandCommand({ KeyId: awsId }), options))
    return true
  } catch (error) {
    if (isConflict(error)) return false
    throw error
  }
}

async function end(
  client: AwsClient,
  keys: AwsKeys,
  keyId: string,
  { awsId, materialId }: AwsKey,
  pause: () => Promise<void>,
): Promise<AwsKey> {
  for (;;) {
    const status = await client.call({ keyId }, (kms, options) =>
      kms.send(new GetKeyRotationStatusCommand({ KeyId: awsId }), options),
    )
    if (status.OnDemandRotationStartDate === undefined) {
      const after = await keys.get(keyId)
      // AWS may not know everywhere yet that it has begun: only another material is the proof.
      if (materialId === undefined || after.materialId !== materialId) return after
    }
    await pause()
  }
}
