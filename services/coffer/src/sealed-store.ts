import type { Secret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { KmsRecords } from '@coffer/kms'
import { DomainKey } from '@coffer/kms/connectors/local'
import { findNextRootKey, type RootKey, readRootKeyFile } from './root-key.ts'
import { settleRootKeyFiles } from './root-key-rotation.ts'

/**
 * The domain key, opened with the root key, which is wiped: nothing needs it once the store is open. While a root key that is
 * kept in the data directory is rotated, either of its two files may be the one that opens; where the rotation was cut short,
 * one file is left. KMS_ROOT_KEY_WRONG.
 */
export async function openSealedStore(rootKey: RootKey, records: KmsRecords): Promise<DomainKey> {
  const { keptIn, next } = rootKey
  const domainKey = await openWhileRotated(rootKey, records)
  if (keptIn !== undefined && next !== undefined) await settleRootKeyFiles(keptIn, records)
  return domainKey
}

async function openWhileRotated({ key, next, keptIn }: RootKey, records: KmsRecords): Promise<DomainKey> {
  try {
    return await openWithEither(key, next, records)
  } catch (error) {
    if (keptIn === undefined || !isCofferError(error, 'KMS_ROOT_KEY_WRONG')) throw error
    // A rotation may have ended between the reading of the files and the opening.
    const nextNow = await findNextRootKey(keptIn)
    return await openWithEither((await readRootKeyFile(keptIn)).key, nextNow, records)
  }
}

async function openWithEither(rootKey: Secret, next: Secret | undefined, records: KmsRecords): Promise<DomainKey> {
  try {
    return await DomainKey.open(rootKey, records)
  } catch (error) {
    if (next === undefined || !isCofferError(error, 'KMS_ROOT_KEY_WRONG')) throw error
    return await DomainKey.open(next, records)
  } finally {
    rootKey.wipe()
    next?.wipe()
  }
}
