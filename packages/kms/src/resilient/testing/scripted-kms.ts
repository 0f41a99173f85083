import { Secret } from '@coffer/crypto-core'
import type { CofferError } from '@coffer/errors'
import type { KmsConnector, WrappedKey } from '../../kms-connector.ts'
import { type ResilientOptions, resilient } from '../../resilient.ts'
import { ManualTiming, settled } from './manual-timing.ts'

export const WRAPPED: WrappedKey = { connector: 'far', keyId: 'k1', keyVersion: 1, ciphertext: new Uint8Array(8) }
export const UNAVAILABLE = { code: 'KMS_UNAVAILABLE' }
export const never = () => new Promise<never>(() => undefined)

/** What the KMS does with the attempt of this number, from 1. */
type Behaviour = (operation: string, attempt: number) => unknown

/** A KMS that does what a test says, and writes down what it was asked. */
export function kmsThat(behaves: Behaviour, options: ResilientOptions = {}) {
  const timing = new ManualTiming()
  const asked: { operation: string; args: unknown[]; atMs: number }[] = []
  const answer =
    (operation: string) =>
    (...args: unknown[]) => {
      asked.push({ operation, args, atMs: timing.nowMs() })
      return behaves(operation, asked.length)
    }
  const connector = { name: 'far', ...Object.fromEntries(OPERATIONS.map((name) => [name, answer(name)])) }
  const kms = resilient(connector as unknown as KmsConnector, { timing, ...options })
  return { kms, timing, asked }
}

export const ARGUMENTS = {
  createKey: ['k1'],
  describeKey: ['k1'],
  listKeys: [{ afterKeyId: '', limit: 3 }],
  rotateKey: ['k1'],
  enableKey: ['k1'],
  disableKey: ['k1'],
  scheduleKeyDeletion: ['k1', 7],
  cancelKeyDeletion: ['k1'],
  generateDataKey: ['k1', { purpose: 'test' }],
  encrypt: [Secret.random(32), 'k1', { purpose: 'test' }],
  decrypt: [WRAPPED, { purpose: 'test' }],
  rewrap: [WRAPPED, { purpose: 'test' }, 'k2'],
  selfTest: [],
  close: [],
} satisfies {
  [Name in Exclude<keyof KmsConnector, 'name' | 'destroyKey' | 'importKey' | 'rewrapMany'>]: Parameters<
    KmsConnector[Name]
  >
}

export type Operation = keyof typeof ARGUMENTS
export const OPERATIONS = Object.keys(ARGUMENTS) as Operation[]
export const REPEATABLE: readonly Operation[] = [
  'describeKey',
  'listKeys',
  'generateDataKey',
  'encrypt',
  'decrypt',
  'rewrap',
  'selfTest',
]
export const NEVER_REPEATED = OPERATIONS.filter((operation) => !REPEATABLE.includes(operation))
export const GUARDED = OPERATIONS.filter((operation) => operation !== 'close')

/** Lets the call go on by itself; its error or value is looked at later. */
export function start(kms: KmsConnector, operation: Operation): Promise<{ value?: unknown; error?: CofferError }> {
  const method = kms[operation] as (...args: unknown[]) => Promise<unknown>
  return method.apply(kms, ARGUMENTS[operation]).then(
    (value) => ({ value }),
    (error) => ({ error }),
  )
}

export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let done = false
  promise.then(() => {
    done = true
  })
  await settled()
  return done
}

export const isWiped = (secret: Secret): boolean => {
  try {
    return secret.lengthBytes < 0
  } catch {
    return true
  }
}
