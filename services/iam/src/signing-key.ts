import { createHmac, timingSafeEqual } from 'node:crypto'
import type { SigningScope } from '@coffer/contracts'
import { Secret } from '@coffer/crypto-core'

/** The SigV4 signing key of one day, region and service (AWS General Reference, "Derive a signing key"). 32 bytes. */
function deriveDayKey(secretAccessKey: string, { date, region, service }: SigningScope): Buffer {
  let key = createHmac('sha256', `AWS4${secretAccessKey}`).update(date).digest()
  for (const text of [region, service, 'aws4_request']) key = createHmac('sha256', key).update(text).digest()
  return key
}

const ACCESS_KEYS_MAX = 20_000
/** Days, regions and services of one access key. */
const SCOPES_MAX = 16

/** Day keys that this process has derived, so that a request costs no look at a secret. */
export class DayKeys {
  readonly #keys = new Map<string, Map<string, Secret>>()

  /** A copy, for its taker to wipe. `secretOf`: asked where the key is not known yet. */
  async find(scope: SigningScope, secretOf: () => Promise<string | undefined>): Promise<Secret | undefined> {
    const name = `${scope.date}/${scope.region}/${scope.service}`
    const known = this.#keys.get(scope.accessKeyId)?.get(name)
    if (known !== undefined) return known.copy()
    const secret = await secretOf()
    if (secret === undefined) return undefined
    const derived = Secret.take(deriveDayKey(secret, scope))
    this.#remember(scope.accessKeyId, name, derived)
    return derived.copy()
  }

  forget(accessKeyId: string): void {
    for (const key of this.#keys.get(accessKeyId)?.values() ?? []) key.wipe()
    this.#keys.delete(accessKeyId)
  }

  forgetAll(): void {
    for (const accessKeyId of [...this.#keys.keys()]) this.forget(accessKeyId)
  }

  #remember(accessKeyId: string, name: string, key: Secret): void {
    if (this.#keys.size >= ACCESS_KEYS_MAX) this.forgetAll()
    const scopes = this.#keys.get(accessKeyId)
    if (scopes === undefined) {
      this.#keys.set(accessKeyId, new Map([[name, key]]))
      return
    }
    if (scopes.size >= SCOPES_MAX) {
      for (const known of scopes.values()) known.wipe()
      scopes.clear()
    }
    scopes.set(name, key)
  }
}

/** Signature Version 2: the HMAC-SHA1 of the string to sign, whose characters are bytes, under the secret itself, in base64. */
export function isSignatureV2(secretAccessKey: string, stringToSign: string, signature: string): boolean {
  const expected = createHmac('sha1', secretAccessKey).update(Buffer.from(stringToSign, 'latin1')).digest()
  const given = Buffer.from(signature, 'base64')
  return given.length === expected.length && timingSafeEqual(given, expected)
}
