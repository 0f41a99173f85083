import { unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Secret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { KmsRecords } from '@coffer/kms'
import { DomainKey } from '@coffer/kms/connectors/local'
import { moveDurably } from './durable-file.ts'
import { cofferError } from './errors.ts'
import { takeFileLock, whyNotLocked } from './file-lock.ts'
import { findNextRootKey, makeRootKeyFile, nextRootKeyPath, type RootKey, readRootKeyFile } from './root-key.ts'

const LOCK = 'root-key.lock'

export interface RootKeyRotation {
  /** `finished`: an earlier rotation had been cut short; it was brought to its end, and none begun. */
  readonly outcome: 'rotated' | 'finished'
  /** Where the new root key is. */
  readonly newRootKey: string
  /** Where the old one came from. */
  readonly oldRootKey: string
  /** Something the administrator should know, or undefined. */
  readonly warning?: string
  /** Master keys whose records did not open before, and do not now. */
  readonly damagedKeys: readonly string[]
}

/**
 * Replaces the root key that is kept in the data directory. The new one is on stable storage beside the old one before the
 * store is sealed under it, and takes its place afterwards: a kill at any moment leaves a file that opens the store, and the
 * next rotation or start goes on from there. COFFER_ROOT_KEY_ROTATION_RUNNING, KMS_ROOT_KEY_WRONG.
 */
export async function rotateKeptRootKey(
  path: string,
  records: KmsRecords,
  handoverMs: number,
): Promise<RootKeyRotation> {
  using _lock = lockRotation(dirname(path))
  const outcome = (await settleFiles(path, records)) === 'replaced' ? 'finished' : 'rotated'
  const domainKey = await openAndWipe((await readRootKeyFile(path)).key, records)
  try {
    if (outcome === 'rotated') {
      await domainKey.finishReplacement(handoverMs)
      const next = await makeRootKeyFile(nextRootKeyPath(path))
      await domainKey.replaceRootKey(next.key)
      next.key.wipe()
      await moveDurably(nextRootKeyPath(path), path)
    }
    const damagedKeys = await domainKey.finishReplacement(handoverMs)
    return { outcome, newRootKey: path, oldRootKey: path, damagedKeys }
  } finally {
    domainKey.wipe()
  }
}

/**
 * Seals the store under a root key that its administrator brings, who also changes the configuration before the next start.
 * COFFER_ROOT_KEY_ROTATION_REFUSED, COFFER_ROOT_KEY_ROTATION_RUNNING, KMS_ROOT_KEY_*.
 */
export async function rotateConfiguredRootKey(
  rootKey: RootKey,
  newRootKeyFile: string,
  records: KmsRecords,
  { secretsDirectory, handoverMs }: { readonly secretsDirectory: string; readonly handoverMs: number },
): Promise<RootKeyRotation> {
  using _lock = lockRotation(secretsDirectory)
  const { key: next, warning } = await readRootKeyFile(newRootKeyFile)
  if (next.equals(rootKey.key)) {
    throw cofferError('COFFER_ROOT_KEY_ROTATION_REFUSED', `${newRootKeyFile} holds the root key that is in use`)
  }
  const isReplaced = !(await opens(rootKey.key, records)) && (await opens(next, records))
  const domainKey = await DomainKey.open(isReplaced ? next : rootKey.key, records)
  try {
    if (!isReplaced) {
      await domainKey.finishReplacement(handoverMs)
      await domainKey.replaceRootKey(next)
    }
    const damagedKeys = await domainKey.finishReplacement(handoverMs)
    const outcome = isReplaced ? 'finished' : 'rotated'
    const where = { newRootKey: newRootKeyFile, oldRootKey: rootKey.origin }
    return { outcome, ...where, ...(warning && { warning }), damagedKeys }
  } finally {
    domainKey.wipe()
    next.wipe()
    rootKey.key.wipe()
  }
}

/** At a start: the files of a rotation that was cut short become one. A rotation that is under way is left alone. */
export async function settleRootKeyFiles(path: string, records: KmsRecords): Promise<void> {
  try {
    using _lock = lockRotation(dirname(path))
    await settleFiles(path, records)
  } catch (error) {
    if (!isCofferError(error, 'COFFER_ROOT_KEY_ROTATION_RUNNING')) throw error
  }
}

/** `replaced`: the store was sealed under the next key already, which is in its place now. KMS_ROOT_KEY_WRONG: neither opens. */
async function settleFiles(path: string, records: KmsRecords): Promise<'current' | 'replaced'> {
  const next = await findNextRootKey(path)
  if (next === undefined) return 'current'
  const { key } = await readRootKeyFile(path)
  try {
    if (await opens(key, records)) {
      await unlink(nextRootKeyPath(path))
      return 'current'
    }
    ;(await DomainKey.open(next, records)).wipe()
    await moveDurably(nextRootKeyPath(path), path)
    return 'replaced'
  } finally {
    key.wipe()
    next.wipe()
  }
}

async function opens(rootKey: Secret, records: KmsRecords): Promise<boolean> {
  try {
    ;(await DomainKey.open(rootKey, records)).wipe()
    return true
  } catch (error) {
    if (isCofferError(error, 'KMS_ROOT_KEY_WRONG')) return false
    throw error
  }
}

async function openAndWipe(rootKey: Secret, records: KmsRecords): Promise<DomainKey> {
  try {
    return await DomainKey.open(rootKey, records)
  } finally {
    rootKey.wipe()
  }
}

/** One rotation at a time on a data directory: each writes and moves the same file. */
function lockRotation(secretsDirectory: string): Disposable {
  try {
    const release = takeFileLock(join(secretsDirectory, LOCK))
    return { [Symbol.dispose]: release }
  } catch (cause) {
    if (whyNotLocked(cause) !== 'busy') throw cause
    throw cofferError('COFFER_ROOT_KEY_ROTATION_RUNNING', `in ${secretsDirectory}`, {}, { cause })
  }
}
