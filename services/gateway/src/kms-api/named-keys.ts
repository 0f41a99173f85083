import type { LocatedKey } from '@coffer/contracts'
import { isAliasName } from '@coffer/kms'
import type { KeyGuard, KeyGuards, NamedGuard } from '../keys/key-guards.ts'
import { kmsApiError } from './errors.ts'
import { invalidKeyId, type KeyNamed, parseKeyOrAlias } from './key-names.ts'
import type { KmsApiCall } from './operation.ts'

/** The keys that one request names, each looked up once: what was decided on is what is used, although an alias may be repointed meanwhile. */
export class NamedKeys {
  readonly #guards: KeyGuards
  readonly #found = new Map<string, Promise<NamedGuard>>()

  constructor(guards: KeyGuards) {
    this.#guards = guards
  }

  find(named: KeyNamed): Promise<NamedGuard> {
    const id = `${named.accountId} ${named.name}`
    const found = this.#found.get(id) ?? this.#guards.findNamed(named, { isFresh: isAliasName(named.name) })
    this.#found.set(id, found)
    return found
  }
}

/** For the operations that take an alias too. NotFoundException, InvalidArnException. */
export async function keyOrAliasNamed(call: KmsApiCall, keyId: string): Promise<KeyGuard> {
  const named = parseKeyOrAlias(keyId, call)
  const { guard, isThere } = await call.named.find(named)
  if (isThere) return guard
  const message = isAliasName(named.name) ? `Alias ${guard.arn} is not found.` : `Key '${guard.arn}' does not exist`
  throw kmsApiError('NotFoundException', { message })
}

/** What manages a key names the key, no alias. */
export async function keyNamed(call: KmsApiCall, keyId: string): Promise<KeyGuard> {
  if (isAliasName(parseKeyOrAlias(keyId, call).name)) throw invalidKeyId(keyId)
  return await keyOrAliasNamed(call, keyId)
}

/** A key that is there: NotFoundException for one that is destroyed, which its KMS may still tell of. */
export async function liveKey(call: KmsApiCall, { name, arn }: KeyGuard): Promise<LocatedKey> {
  const key = await call.kms.describeKey(name)
  if (key.state !== 'destroyed') return key
  throw kmsApiError('NotFoundException', { message: `Key '${arn}' does not exist` })
}

export async function liveKeyNamed(call: KmsApiCall, keyId: string): Promise<LocatedKey> {
  return await liveKey(call, await keyNamed(call, keyId))
}
