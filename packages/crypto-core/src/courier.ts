import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { extractAndExpand } from './derive.ts'
import { cryptoError } from './errors.ts'
import { encodeFields } from './fields.ts'
import { insecureExportKeyBytes } from './insecure-export.ts'
import { Secret } from './secret.ts'

/** A key on its way between two processes. Public keys are 32 raw bytes (RFC 7748, section 5). */
export interface KeyParcelSealed {
  readonly kind: 'sealed'
  readonly senderPublicKey: Uint8Array
  readonly recipientPublicKey: Uint8Array
  readonly nonce: Uint8Array
  readonly ciphertext: Uint8Array
}

interface Session {
  readonly publicKey: Buffer
  readonly privateKey: KeyObject
  readonly madeAtMs: number
  /** Shared keys by the other side's public key. */
  readonly shared: Map<string, Buffer>
}

const SESSION_MS = 60 * 60 * 1000
/** How long parcels for the session before are still opened. */
const OVERLAP_MS = 10 * 60 * 1000
const SHARED_KEYS_MAX = 1024
const NONCE_BYTES = 12
const TAG_BYTES = 16
const PUBLIC_KEY_BYTES = 32
const LABEL = 'coffer/v1 key parcel'

/**
 * Carries keys between processes so that what lies between (NATS) never sees one: X25519 between two sessions that are made
 * anew every hour (forward secrecy), HKDF together with the mesh key that all services hold (so that a NATS server which
 * answers with public keys of its own learns nothing), AES-256-GCM. FORMAT.md, section 7.
 */
export class KeyCourier {
  readonly #meshKey: Secret
  readonly #now: () => number
  #current: Session
  #previous: Session | undefined

  constructor(meshKey: Secret, options: { readonly now?: () => number } = {}) {
    this.#meshKey = meshKey
    this.#now = options.now ?? Date.now
    this.#current = newSession(this.#now())
  }

  /** Of the current session: what a caller gives to be sent a key. */
  get publicKey(): Uint8Array {
    this.#renew()
    return this.#current.publicKey
  }

  seal(secret: Secret, recipientPublicKey: Uint8Array, purpose: string): KeyParcelSealed {
    this.#renew()
    const session = this.#current
    const key = this.#sharedKey(session, recipientPublicKey, session.publicKey, recipientPublicKey)
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    cipher.setAAD(encodeFields(purpose))
    const ciphertext = cipher.update(insecureExportKeyBytes(secret))
    cipher.final()
    return {
      kind: 'sealed',
      senderPublicKey: session.publicKey,
      recipientPublicKey,
      nonce,
      ciphertext: Buffer.concat([ciphertext, cipher.getAuthTag()]),
    }
  }

  /** CRYPTO_PARCEL_REFUSED: for another process, session or purpose, from a process without the mesh key, or changed. */
  open(parcel: KeyParcelSealed, purpose: string): Secret {
    this.#renew()
    const session = [this.#current, this.#previous].find((one) => one?.publicKey.equals(parcel.recipientPublicKey))
    if (session === undefined || parcel.ciphertext.length < TAG_BYTES) throw cryptoError('CRYPTO_PARCEL_REFUSED')
    const tagAt = parcel.ciphertext.length - TAG_BYTES
    try {
      const key = this.#sharedKey(session, parcel.senderPublicKey, parcel.senderPublicKey, session.publicKey)
      const decipher = createDecipheriv('aes-256-gcm', key, parcel.nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(encodeFields(purpose))
      decipher.setAuthTag(parcel.ciphertext.subarray(tagAt))
      const bytes = decipher.update(parcel.ciphertext.subarray(0, tagAt))
      decipher.final()
      return Secret.take(bytes)
    } catch (cause) {
      throw cryptoError('CRYPTO_PARCEL_REFUSED', undefined, { cause })
    }
  }

  #renew(): void {
    const now = this.#now()
    if (now - this.#current.madeAtMs >= SESSION_MS) {
      this.#previous = this.#current
      this.#current = newSession(now)
    }
    if (this.#previous !== undefined && now - this.#current.madeAtMs >= OVERLAP_MS) {
      for (const key of this.#previous.shared.values()) key.fill(0)
      this.#previous = undefined
    }
  }

  /** One key for each direction: the roles go into its derivation. */
  #sharedKey(session: Session, peer: Uint8Array, sender: Uint8Array, recipient: Uint8Array): Buffer {
    const name = `${Buffer.from(sender).toString('base64')} ${Buffer.from(recipient).toString('base64')}`
    const known = session.shared.get(name)
    if (known !== undefined) return known
    const secret = diffieHellman({ privateKey: session.privateKey, publicKey: importPublicKey(peer) })
    const info = encodeFields(LABEL, sender, recipient)
    const key = extractAndExpand(secret, insecureExportKeyBytes(this.#meshKey), info, 32)
    secret.fill(0)
    if (session.shared.size >= SHARED_KEYS_MAX) session.shared.clear()
    session.shared.set(name, key)
    return key
  }
}

function newSession(nowMs: number): Session {
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
  return { publicKey: raw, privateKey, madeAtMs: nowMs, shared: new Map() }
}

function importPublicKey(raw: Uint8Array): KeyObject {
  if (raw.length !== PUBLIC_KEY_BYTES) throw cryptoError('CRYPTO_PARCEL_REFUSED')
  const x = Buffer.from(raw).toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' })
}
