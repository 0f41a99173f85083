import type { Secret } from '@coffer/crypto-core'
import type {
  EncryptionContext,
  KeyDescription,
  KmsConnector,
  RewrapItem,
  RewrapOutcome,
  WrappedKey,
} from './kms-connector.ts'
import { GuardedCalls } from './resilient/guarded-calls.ts'
import { type ResilienceLimits, resilienceLimits } from './resilient/limits.ts'
import { systemTiming, type Timing } from './resilient/timing.ts'

export { RESILIENCE_DEFAULTS } from './resilient/limits.ts'

export interface ResilientOptions extends Partial<ResilienceLimits> {
  /** Told when the KMS is given up for a while (open), and when it has answered again. */
  readonly onBreaker?: ((isOpen: boolean) => void) | undefined
  /** For tests. */
  readonly timing?: Timing
}

/**
 * Any connector, made to keep promise 6: a call is an answer or KMS_UNAVAILABLE, in bounded time and number, also from a
 * connector that hangs, flaps or throws what it likes.
 *
 *     const connector = resilient(await openVaultConnector(options, context), { timeoutMs: 2_000 })
 *
 * - An attempt that takes more than `timeoutMs` is given up; a secret that it brings later is wiped. The connector is not told,
 *   so it needs a time-out of its own to let go of its socket.
 * - KMS_UNAVAILABLE is tried again after a random wait that grows, within `deadlineMs`, if the call changes nothing; no other
 *   code ever is. After a change that is KMS_UNAVAILABLE (`createKey`, `rotateKey`...), ask `describeKey` whether it was made.
 * - After `failuresMax` failures in a row calls fail at once for `openMs`, then one trial call at a time is let through. Every
 *   other code is an answer: the KMS is there.
 * - Beyond `callsMax` calls under way, more fail at once.
 * - An error that is not Coffer's becomes KMS_UNAVAILABLE with nothing of its text.
 *
 * KMS_OPTIONS_INVALID.
 */
export function resilient(connector: KmsConnector, options: ResilientOptions = {}): KmsConnector {
  return new ResilientConnector(connector, resilienceLimits(options), options)
}

class ResilientConnector implements KmsConnector {
  readonly name: string
  readonly destroyKey?: (keyId: string) => Promise<KeyDescription>
  readonly importKey?: (keyId: string, material: Secret) => Promise<KeyDescription>
  readonly rewrapMany?: (items: readonly RewrapItem[], keyId: string) => Promise<readonly RewrapOutcome[]>
  readonly #connector: KmsConnector
  readonly #calls: GuardedCalls

  constructor(
    connector: KmsConnector,
    limits: ResilienceLimits,
    { timing = systemTiming, onBreaker }: ResilientOptions,
  ) {
    this.name = connector.name
    this.#connector = connector
    this.#calls = new GuardedCalls(connector.name, limits, timing, onBreaker)
    const destroyKey = connector.destroyKey?.bind(connector)
    const importKey = connector.importKey?.bind(connector)
    if (importKey) this.importKey = (keyId, material) => this.#change('importKey', () => importKey(keyId, material))
    const rewrapMany = connector.rewrapMany?.bind(connector)
    if (rewrapMany) this.rewrapMany = (items, keyId) => this.#ask('rewrapMany', () => rewrapMany(items, keyId))
    if (destroyKey) this.destroyKey = (keyId) => this.#change('destroyKey', () => destroyKey(keyId))
  }

  createKey(keyId: string): Promise<KeyDescription> {
    return this.#change('createKey', () => this.#connector.createKey(keyId))
  }

  describeKey(keyId: string): Promise<KeyDescription> {
    return this.#ask('describeKey', () => this.#connector.describeKey(keyId))
  }

  listKeys(query: { afterKeyId: string; limit: number }): Promise<readonly KeyDescription[]> {
    return this.#ask('listKeys', () => this.#connector.listKeys(query))
  }

  rotateKey(keyId: string): Promise<KeyDescription> {
    return this.#change('rotateKey', () => this.#connector.rotateKey(keyId))
  }

  enableKey(keyId: string): Promise<KeyDescription> {
    return this.#change('enableKey', () => this.#connector.enableKey(keyId))
  }

  disableKey(keyId: string): Promise<KeyDescription> {
    return this.#change('disableKey', () => this.#connector.disableKey(keyId))
  }

  scheduleKeyDeletion(keyId: string, pendingDays: number): Promise<KeyDescription> {
    return this.#change('scheduleKeyDeletion', () => this.#connector.scheduleKeyDeletion(keyId, pendingDays))
  }

  cancelKeyDeletion(keyId: string): Promise<KeyDescription> {
    return this.#change('cancelKeyDeletion', () => this.#connector.cancelKeyDeletion(keyId))
  }

  generateDataKey(keyId: string, context: EncryptionContext): Promise<{ plaintext: Secret; wrapped: WrappedKey }> {
    const run = () => this.#connector.generateDataKey(keyId, context)
    return this.#ask('generateDataKey', run, ({ plaintext }) => plaintext.wipe())
  }

  encrypt(plaintext: Secret, keyId: string, context: EncryptionContext): Promise<WrappedKey> {
    return this.#ask('encrypt', () => this.#connector.encrypt(plaintext, keyId, context))
  }

  decrypt(wrapped: WrappedKey, context: EncryptionContext): Promise<Secret> {
    const run = () => this.#connector.decrypt(wrapped, context)
    return this.#ask('decrypt', run, (secret) => secret.wipe())
  }

  rewrap(wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey> {
    return this.#ask('rewrap', () => this.#connector.rewrap(wrapped, context, keyId))
  }

  selfTest(): Promise<void> {
    return this.#ask('selfTest', () => this.#connector.selfTest())
  }

  /** Reaches the connector whatever state the KMS is in: it may have secrets to wipe. */
  close(): Promise<void> {
    return this.#calls.runAlways({ operation: 'close', repeatable: false, run: () => this.#connector.close() })
  }

  /** A call that changes nothing in the KMS. */
  #ask<T>(operation: string, run: () => Promise<T>, discard?: (late: T) => void): Promise<T> {
    return this.#calls.run({ operation, repeatable: true, run, ...(discard && { discard }) })
  }

  /** Never repeated: a change whose answer was lost may have been made. */
  #change<T>(operation: string, run: () => Promise<T>): Promise<T> {
    return this.#calls.run({ operation, repeatable: false, run })
  }
}
