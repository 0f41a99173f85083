import { z } from 'zod'
import { kmsError } from '../../errors.ts'
import type { ObjectState } from '../key-objects/key-objects.ts'
import { type BearerClient, bodyOf, type RestAnswer } from '../rest/bearer-client.ts'

/** Azure Key Vault REST API, keys: this version has all that is used here, and both services answer it. */
const API_VERSION = 'api-version=7.4'
/** "About keys": names are of 1 to 127 letters, digits and hyphens. */
const NAME = /^[0-9A-Za-z-]{1,127}$/

const Jwk = z.looseObject({ kid: z.string(), kty: z.string() })
export type KeyVaultJwk = z.infer<typeof Jwk>

const KeyBundle = z.object({ key: Jwk, attributes: z.object({ enabled: z.boolean().optional() }) })

/** The keys of a Key Vault or a Managed HSM: `name` and `version` are Azure's. */
export class KeyVault {
  readonly #client: BearerClient
  readonly #prefix: string

  constructor(client: BearerClient, prefix: string) {
    this.#client = client
    this.#prefix = prefix
  }

  /** KMS_KEY_ID_INVALID. */
  nameOf(use: string, keyId: string): string {
    const name = `${this.#prefix}${use}-${keyId}`
    if (!NAME.test(name)) throw kmsError('KMS_KEY_ID_INVALID', { keyId })
    return name
  }

  /** A key of this name, or a new version of it; the version. */
  async create(name: string, keyId: string, parameters: object): Promise<string> {
    const answer = await this.#client.call('POST', `/keys/${name}/create?${API_VERSION}`, parameters)
    const { kid } = bodyOf(KeyBundle, assertNotRefused(answer, keyId), keyId).key
    return kid.slice(kid.lastIndexOf('/') + 1)
  }

  async stateOf(name: string, version: string, keyId: string): Promise<ObjectState> {
    const answer = await this.#client.call('GET', `/keys/${name}/${version}?${API_VERSION}`)
    if (answer.status === 404) return 'destroyed'
    const { attributes } = bodyOf(KeyBundle, assertNotRefused(answer, keyId), keyId)
    return attributes.enabled === false ? 'inactive' : 'active'
  }

  async publicKey(name: string, version: string, keyId: string): Promise<KeyVaultJwk> {
    const answer = await this.#client.call('GET', `/keys/${name}/${version}?${API_VERSION}`)
    const { key } = bodyOf(KeyBundle, assertNotRefused(answer, keyId), keyId)
    assertOf(key, name, version, keyId)
    return key
  }

  /** A version can't be deleted by itself. */
  async disable(name: string, version: string, keyId: string): Promise<void> {
    const attributes = { attributes: { enabled: false } }
    const answer = await this.#client.call('PATCH', `/keys/${name}/${version}?${API_VERSION}`, attributes)
    if (answer.status !== 404) assertNotRefused(answer, keyId)
  }

  /** All versions. One that is gone, or on its way, is deleted. */
  async delete(name: string, keyId: string): Promise<void> {
    const answer = await this.#client.call('DELETE', `/keys/${name}?${API_VERSION}`)
    if (answer.status !== 404 && answer.status !== 409) assertNotRefused(answer, keyId)
  }

  /** Undefined: Azure could not make anything of what it was given. */
  async use<T>(
    schema: z.ZodType<T & { readonly kid: string }>,
    { name, version }: { readonly name: string; readonly version: string },
    operation: 'encrypt' | 'decrypt' | 'sign' | 'unwrapkey',
    keyId: string,
    parameters: object,
  ): Promise<T | undefined> {
    const answer = await this.#client.call('POST', `/keys/${name}/${version}/${operation}?${API_VERSION}`, parameters)
    if (answer.status === 400) return undefined
    const result = bodyOf(schema, assertNotRefused(answer, keyId), keyId)
    assertOf(result, name, version, keyId)
    return result
  }

  async assertLetIn(): Promise<void> {
    assertNotRefused(await this.#client.call('GET', `/keys?maxresults=1&${API_VERSION}`))
  }

  close(): Promise<void> {
    return this.#client.close()
  }
}

/** What another version did would open only by chance of what the records say. */
function assertOf({ kid }: { readonly kid: string }, name: string, version: string, keyId: string): void {
  if (!kid.toLowerCase().endsWith(`/keys/${name}/${version}`.toLowerCase()))
    throw kmsError('KMS_UNAVAILABLE', { keyId })
}

/** Key Vault, "REST API error codes"; what is forbidden because of the key's state says so one level deeper. */
function assertNotRefused(answer: RestAnswer, keyId?: string): RestAnswer {
  const { status, refusal } = answer
  if (refusal === undefined) return answer
  const details = { ...(keyId !== undefined && { keyId }) }
  const inner = (refusal.innererror as { readonly code?: unknown } | undefined)?.code
  if (inner === 'KeyDisabled') throw kmsError('KMS_KEY_DISABLED', details)
  if (status === 401 || status === 403) throw kmsError('KMS_ACCESS_DENIED', details)
  if (status === 404) throw kmsError('KMS_KEY_NOT_FOUND', details)
  if (status === 409) throw kmsError('KMS_KEY_EXISTS', details)
  throw kmsError('KMS_UNAVAILABLE', { ...details, status })
}
