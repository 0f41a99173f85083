import { constants, createHash, createPublicKey, type KeyObject, publicEncrypt, verify } from 'node:crypto'
import { encodeFields, insecureExportKeyBytes, Secret, unwrapSecret, wrapSecret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import { z } from 'zod'
import { kmsError } from '../../errors.ts'
import type { KeyObjects, ObjectState } from '../key-objects/key-objects.ts'
import type { KeyVault } from './key-vault.ts'
import { decodeSigned, encodeSigned, type SignedEnvelope } from './signed-envelope.ts'

const KEY_BYTES = 32
const RSA_BITS = 3072
const LABEL = 'coffer/v1 azure'
const PURPOSE = 'kms azure'

const base64url = z.string().regex(/^[A-Za-z0-9_-]+={0,2}$/)
const Result = z.object({ kid: z.string(), value: base64url })

interface PublicKeys {
  readonly wrapping: KeyObject
  readonly signing: KeyObject
}

interface Version {
  readonly wrapping: { readonly name: string; readonly version: string }
  readonly signing: { readonly name: string; readonly version: string }
}

/**
 * RSA keys of an Azure Key Vault. RSA wraps 32 bytes and authenticates nothing: anyone who has the public key can wrap a key
 * that they know. So a version of a master key is a pair: an RSA key, which wraps a key made for one secret, and an EC key, which
 * signs the whole with the context; what the vault has not signed is refused. The two have one use each (NIST SP 800-57
 * part 1, section 5.2). Wrapping costs one call (the signature), unwrapping one (the RSA key's). An identifier is
 * `<version of the RSA key>/<version of the EC key>`.
 */
export class RsaObjects implements KeyObjects {
  readonly #vault: KeyVault
  readonly #isHsm: boolean
  /** They never change. */
  readonly #publicKeys = new Map<string, PublicKeys>()

  constructor(vault: KeyVault, { isHsm }: { readonly isHsm: boolean }) {
    this.#vault = vault
    this.#isHsm = isHsm
  }

  async make(keyId: string): Promise<string> {
    const suffix = this.#isHsm ? '-HSM' : ''
    const wrapping = await this.#vault.create(this.#vault.nameOf('wrap', keyId), keyId, {
      kty: `RSA${suffix}`,
      key_size: RSA_BITS,
      key_ops: ['wrapKey', 'unwrapKey'],
    })
    const signing = await this.#vault.create(this.#vault.nameOf('sign', keyId), keyId, {
      kty: `EC${suffix}`,
      crv: 'P-256',
      key_ops: ['sign', 'verify'],
    })
    return `${wrapping}/${signing}`
  }

  async stateOf(id: string, keyId: string): Promise<ObjectState> {
    const { wrapping, signing } = this.#versionOf(id, keyId)
    const states = [
      await this.#vault.stateOf(wrapping.name, wrapping.version, keyId),
      await this.#vault.stateOf(signing.name, signing.version, keyId),
    ]
    return states.find((state) => state === 'destroyed') ?? states.find((state) => state === 'inactive') ?? 'active'
  }

  async discard(id: string, keyId: string): Promise<void> {
    for (const { name, version } of Object.values(this.#versionOf(id, keyId))) {
      await this.#vault.disable(name, version, keyId)
    }
  }

  /** Azure keeps deleted keys for the time that the vault says (7 to 90 days), in which they can be recovered. */
  async destroy(_ids: readonly string[], keyId: string): Promise<void> {
    for (const use of ['wrap', 'sign']) await this.#vault.delete(this.#vault.nameOf(use, keyId), keyId)
  }

  async encrypt(id: string, keyId: string, plaintext: Secret, additionalData: Uint8Array): Promise<Uint8Array> {
    const { wrapping } = await this.#keysOf(id, keyId)
    const key = Secret.random(KEY_BYTES)
    try {
      const wrapped = publicEncrypt(oaep(wrapping), insecureExportKeyBytes(key))
      const envelope = wrapSecret(plaintext, key, PURPOSE, {})
      const signature = await this.#sign(id, keyId, digestOf(additionalData, { wrapped, envelope }))
      return encodeSigned({ wrapped, envelope, signature })
    } finally {
      key.wipe()
    }
  }

  async decrypt(id: string, keyId: string, ciphertext: Uint8Array, additionalData: Uint8Array): Promise<Secret> {
    const signed = decodeSigned(ciphertext, keyId)
    const { signing } = await this.#keysOf(id, keyId)
    const message = messageOf(additionalData, signed)
    const isGenuine = verify('sha256', message, { key: signing, dsaEncoding: 'ieee-p1363' }, signed.signature)
    if (!isGenuine) throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
    const { wrapping } = this.#versionOf(id, keyId)
    const parameters = { alg: 'RSA-OAEP-256', value: Buffer.from(signed.wrapped).toString('base64url') }
    const opened = await this.#vault.use(Result, wrapping, 'unwrapkey', keyId, parameters)
    if (opened === undefined) throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
    const key = Secret.take(Buffer.from(opened.value, 'base64url'))
    try {
      return unwrapSecret(signed.envelope, key, PURPOSE, {})
    } catch (error) {
      if (!isCofferError(error)) throw error
      throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId }, { cause: error })
    } finally {
      key.wipe()
    }
  }

  assertSuitable(): Promise<void> {
    return this.#vault.assertLetIn()
  }

  close(): Promise<void> {
    return this.#vault.close()
  }

  async #sign(id: string, keyId: string, digest: Buffer): Promise<Uint8Array> {
    const { signing } = this.#versionOf(id, keyId)
    const parameters = { alg: 'ES256', value: digest.toString('base64url') }
    const signed = await this.#vault.use(Result, signing, 'sign', keyId, parameters)
    if (signed === undefined) throw kmsError('KMS_UNAVAILABLE', { keyId })
    return Buffer.from(signed.value, 'base64url')
  }

  async #keysOf(id: string, keyId: string): Promise<PublicKeys> {
    const place = `${keyId}/${id}`
    const known = this.#publicKeys.get(place)
    if (known !== undefined) return known
    const { wrapping, signing } = this.#versionOf(id, keyId)
    const keys = {
      wrapping: publicKeyOf(await this.#vault.publicKey(wrapping.name, wrapping.version, keyId), 'RSA', keyId),
      signing: publicKeyOf(await this.#vault.publicKey(signing.name, signing.version, keyId), 'EC', keyId),
    }
    this.#publicKeys.set(place, keys)
    return keys
  }

  #versionOf(id: string, keyId: string): Version {
    const [wrapping = '', signing = ''] = id.split('/')
    return {
      wrapping: { name: this.#vault.nameOf('wrap', keyId), version: wrapping },
      signing: { name: this.#vault.nameOf('sign', keyId), version: signing },
    }
  }
}

function oaep(key: KeyObject) {
  return { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
}

type Signed = Pick<SignedEnvelope, 'wrapped' | 'envelope'>

function messageOf(additionalData: Uint8Array, { wrapped, envelope }: Signed): Uint8Array {
  return encodeFields(LABEL, additionalData, wrapped, envelope)
}

function digestOf(additionalData: Uint8Array, signed: Signed): Buffer {
  return createHash('sha256').update(messageOf(additionalData, signed)).digest()
}

/** RFC 7517; Azure says in `kty` too where the private half is kept. */
function publicKeyOf(jwk: Readonly<Record<string, unknown>>, kty: 'RSA' | 'EC', keyId: string): KeyObject {
  try {
    const key = createPublicKey({ key: { ...jwk, kty: String(jwk.kty).replace(/-HSM$/, '') }, format: 'jwk' })
    if (key.asymmetricKeyType === kty.toLowerCase()) return key
  } catch {
    // Not a key, or not one of this kind.
  }
  throw kmsError('KMS_UNAVAILABLE', { keyId, reason: 'no-public-key' })
}
