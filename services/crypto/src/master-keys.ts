import type { KmsService, LocatedKey } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { assertUsable, SERVER_KEY_ID } from '@coffer/kms'

/**
 * How long what is known of a master key is relied on: the longest that new bucket keys may lag behind a rotation, and that
 * a disabled key may go on being used through a cached bucket key.
 */
const LEASE_MS = 900
/** While the KMS is away, what was last known of a key holds for as long as its bucket keys are cached. */
const UNAVAILABLE_MS = 15 * 60 * 1000
/** A KMS that takes longer to answer counts as away where something is known: requests don't wait for it in a queue. */
const ANSWER_MS_MAX = 1000
const KNOWN_MAX = 4096

interface Known {
  readonly key: LocatedKey
  readonly askedAtMs: number
  untilMs: number
}

/** What is known of master keys: where they are, whether they may be used, which version is the newest. */
export class MasterKeys {
  readonly #kms: KmsService
  readonly #now: () => number
  readonly #known = new Map<string, Known>()
  readonly #asking = new Map<string, Promise<LocatedKey>>()

  constructor(kms: KmsService, now: () => number) {
    this.#kms = kms
    this.#now = now
  }

  /** The key of this name, usable: KMS_KEY_NOT_FOUND, KMS_KEY_DISABLED, KMS_KEY_PENDING_DELETION, KMS_UNAVAILABLE. */
  usable(keyName: string): LocatedKey | Promise<LocatedKey> {
    const known = this.#known.get(keyName)
    if (known !== undefined && known.untilMs > this.#now()) return usable(known.key)
    const asked = this.#askOnce(keyName)
    return (known === undefined ? asked : this.#unlessSlow(asked, known)).then(usable)
  }

  /** The next answer is asked for anew. */
  forget(keyName: string): void {
    this.#known.delete(keyName)
  }

  #askOnce(keyName: string): Promise<LocatedKey> {
    const asking = this.#asking.get(keyName)
    if (asking !== undefined) return asking
    const asked = this.#ask(keyName).finally(() => this.#asking.delete(keyName))
    this.#asking.set(keyName, asked)
    return asked
  }

  async #ask(keyName: string): Promise<LocatedKey> {
    try {
      const key = await describe(this.#kms, keyName)
      this.#remember(keyName, key)
      return key
    } catch (error) {
      const known = this.#known.get(keyName)
      const isAway = isCofferError(error, 'KMS_UNAVAILABLE') || isCofferError(error, 'MESH_SERVICE_UNAVAILABLE')
      if (!isAway || known === undefined || !this.#mayStandIn(known)) throw error
      return known.key
    }
  }

  async #unlessSlow(asked: Promise<LocatedKey>, known: Known): Promise<LocatedKey> {
    const waited = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => waited.resolve(undefined), ANSWER_MS_MAX)
    try {
      const answered = await Promise.race([asked, waited.promise])
      if (answered !== undefined) return answered
    } finally {
      clearTimeout(timer)
    }
    if (!this.#mayStandIn(known)) return asked
    // Nobody may be left to hear of its failure.
    asked.catch(() => undefined)
    return known.key
  }

  /** What was last known, for one lease more; not for ever. */
  #mayStandIn(known: Known): boolean {
    if (known.askedAtMs + UNAVAILABLE_MS < this.#now()) return false
    known.untilMs = this.#now() + LEASE_MS
    return true
  }

  #remember(keyName: string, key: LocatedKey): void {
    if (this.#known.size >= KNOWN_MAX) this.#known.clear()
    this.#known.set(keyName, { key, askedAtMs: this.#now(), untilMs: this.#now() + LEASE_MS })
  }
}

function usable(key: LocatedKey): LocatedKey {
  assertUsable(key, key.keyId)
  return key
}

/** The server's own master key is made at its first use; every other key is made by an administrator. */
async function describe(kms: KmsService, keyName: string): Promise<LocatedKey> {
  try {
    return await kms.describeKey(keyName)
  } catch (error) {
    if (keyName !== SERVER_KEY_ID || !isCofferError(error, 'KMS_KEY_NOT_FOUND')) throw error
  }
  await kms.createKey(keyName).catch((error: unknown) => {
    if (!isCofferError(error, 'KMS_KEY_EXISTS')) throw error
  })
  return kms.describeKey(keyName)
}
