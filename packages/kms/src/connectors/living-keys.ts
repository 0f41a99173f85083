import { deletionCancelled, disabled, enabled, type LifeChange, pendingDeletion } from '../key-life.ts'
import type { KeyDescription } from '../kms-connector.ts'

/** The life of keys where Coffer keeps it, not the KMS: what a connector has to do is to change it. */
export abstract class LivingKeys {
  enableKey(keyId: string): Promise<KeyDescription> {
    return this.changeLife(keyId, enabled)
  }

  disableKey(keyId: string): Promise<KeyDescription> {
    return this.changeLife(keyId, disabled)
  }

  async scheduleKeyDeletion(keyId: string, pendingDays: number): Promise<KeyDescription> {
    return this.changeLife(keyId, pendingDeletion(pendingDays, Date.now()))
  }

  cancelKeyDeletion(keyId: string): Promise<KeyDescription> {
    return this.changeLife(keyId, deletionCancelled)
  }

  protected abstract changeLife(keyId: string, change: LifeChange): Promise<KeyDescription>
}
