import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  getFips,
  type KeyObject,
} from 'node:crypto'
import { extractAndExpand } from './derive.ts'
import { cryptoError } from './errors.ts'
import { encodeFields } from './fields.ts'
import { insecureExportKeyBytes } from './insecure-export.ts'
import { fillPublicRandom } from './random.ts'
import { Secret } from './secret.ts'

/**
 * A key on its way between two processes. Public keys are 32 raw bytes (RFC 7748, section 5), or in FIPS mode, which has no X25519,
 * uncompressed points of P-256 (SEC 1, section 2.3.3).
 */
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
  /** Keys agreed with other sessions, by sender and recipient. */
  readonly agreed: Map<string, Secret>
}

/** A key is used for an hour at most: far fewer parcels than the 2^32 random nonces of NIST SP 800-38D, section 8.3. */
const SESSION_MS = 60 * 60 * 1000
/** How long parcels for the session before are still opened. */
const OVERLAP_MS = 10 * 60 * 1000
const AGREED_KEYS_MAX = 1024
const KEY_BYTES = 32
/** RFC 7748, section 5. */
const PUBLIC_KEY_BYTES = 32
/** SEC 1, section 2.3.3: 0x04, and two coordinates of 32 bytes. */
const POINT_BYTES = 65
const UNCOMPRESSED = 0x04
const COORDINATE_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const LABEL = 'coffer/v1 key parcel'

/**
 * Carries keys between processes so that what lies between (NATS) never sees one: X25519 between two sessions that are made
 * anew every hour (forward secrecy), HKDF together with the mesh key that all services hold (so that a NATS server which
 * answers with public keys of its own learns nothing), AES-256-GCM. FORMAT.md, section 6.
 */
export class KeyCourier {
  readonly #meshKey: Secret
  readonly #now: () => number
  #current: Session
  #previous: Session | undefined

  /** `meshKey`: 256 uniformly random bits; stays the caller's. `now`: milliseconds. */
  constructor(meshKey: Secret, options: { readonly now?: () => number } = {}) {
    if (meshKey.lengthBytes !== KEY_BYTES) throw cryptoError('CRYPTO_KEY_LENGTH')
    this.#meshKey = meshKey
    this.#now = options.now ?? Date.now
    this.#current = newSession(this.#now())
  }

  /** Of the current session: what a caller gives to be sent a key. */
  get publicKey(): Uint8Array {
    this.#renew()
    return this.#current.publicKey
  }

  /** CRYPTO_PARCEL_REFUSED if the recipient's key is no X25519 public key. */
  seal(secret: Secret, recipientPublicKey: Uint8Array, purpose: string): KeyParcelSealed {
    this.#renew()
    const session = this.#current
    const route = { sender: session.publicKey, recipient: recipientPublicKey }
    const key = agreedKey(session, route) ?? remember(session, route, this.#agree(session, recipientPublicKey, route))
    const nonce = Buffer.allocUnsafe(NONCE_BYTES)
    fillPublicRandom(nonce, 0, NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', insecureExportKeyBytes(key), nonce)
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
    if (session === undefined) throw cryptoError('CRYPTO_PARCEL_REFUSED')
    const route = { sender: parcel.senderPublicKey, recipient: session.publicKey }
    const known = agreedKey(session, route)
    const key = known ?? this.#agree(session, parcel.senderPublicKey, route)
    let secret: Secret
    try {
      secret = decrypt(parcel, key, purpose)
    } catch (error) {
      if (known === undefined) key.wipe()
      throw error
    }
    // Only now: whoever lacks the mesh key can't push the keys of others out.
    if (known === undefined) remember(session, route, key)
    return secret
  }

  #renew(): void {
    const now = this.#now()
    if (now - this.#current.madeAtMs >= SESSION_MS) {
      if (this.#previous !== undefined) forgetAll(this.#previous)
      this.#previous = this.#current
      this.#current = newSession(now)
    }
    if (this.#previous !== undefined && now - this.#current.madeAtMs >= OVERLAP_MS) {
      forgetAll(this.#previous)
      this.#previous = undefined
    }
  }

  /** One key for each direction, as the roles go into its derivation: HKDF (RFC 5869), the mesh key being the salt. */
  #agree(session: Session, peerPublicKey: Uint8Array, route: Route): Secret {
    const shared = diffieHellmanOf(session.privateKey, peerPublicKey)
    const info = encodeFields(LABEL, route.sender, route.recipient)
    const key = extractAndExpand(shared, insecureExportKeyBytes(this.#meshKey), info, KEY_BYTES)
    shared.fill(0)
    return Secret.take(key)
  }
}

interface Route {
  readonly sender: Uint8Array
  readonly recipient: Uint8Array
}

function newSession(nowMs: number): Session {
  // NIST SP 800-56A Rev. 3 approves the curves of SP 800-186, of which the FIPS providers of today offer no X25519.
  const { publicKey, privateKey } =
    getFips() === 1 ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('x25519')
  return { publicKey: rawOf(publicKey), privateKey, madeAtMs: nowMs, agreed: new Map() }
}

function rawOf(publicKey: KeyObject): Buffer {
  const { x = '', y } = publicKey.export({ format: 'jwk' })
  if (y === undefined) return Buffer.from(x, 'base64url')
  return Buffer.concat([Uint8Array.of(UNCOMPRESSED), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
}

/**
 * OpenSSL refuses the points of small order, whose result is zero for everyone (RFC 7748, section 6.1), and what is no point of
 * the curve (NIST SP 800-56A Rev. 3, section 5.6.2.3).
 */
function diffieHellmanOf(privateKey: KeyObject, peerPublicKey: Uint8Array): Buffer {
  try {
    const publicKey = createPublicKey({ key: jwkOf(Buffer.from(peerPublicKey), privateKey), format: 'jwk' })
    return diffieHellman({ privateKey, publicKey })
  } catch (cause) {
    throw cryptoError('CRYPTO_PARCEL_REFUSED', undefined, { cause })
  }
}

/** Of the kind that the private key is. */
function jwkOf(raw: Buffer, { asymmetricKeyType }: KeyObject) {
  const text = (start: number, end?: number) => raw.subarray(start, end).toString('base64url')
  if (asymmetricKeyType === 'x25519' && raw.length === PUBLIC_KEY_BYTES)
    return { kty: 'OKP', crv: 'X25519', x: text(0) }
  const isPoint = asymmetricKeyType === 'ec' && raw.length === POINT_BYTES && raw[0] === UNCOMPRESSED
  if (!isPoint) throw cryptoError('CRYPTO_PARCEL_REFUSED')
  const middle = 1 + COORDINATE_BYTES
  return { kty: 'EC', crv: 'P-256', x: text(1, middle), y: text(middle) }
}

function decrypt(parcel: KeyParcelSealed, key: Secret, purpose: string): Secret {
  const tagAt = parcel.ciphertext.length - TAG_BYTES
  if (tagAt < 0 || parcel.nonce.length !== NONCE_BYTES) throw cryptoError('CRYPTO_PARCEL_REFUSED')
  const keyBytes = insecureExportKeyBytes(key)
  const decipher = createDecipheriv('aes-256-gcm', keyBytes, parcel.nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(encodeFields(purpose))
  decipher.setAuthTag(parcel.ciphertext.subarray(tagAt))
  const secret = decipher.update(parcel.ciphertext.subarray(0, tagAt))
  try {
    decipher.final()
  } catch (cause) {
    secret.fill(0)
    throw cryptoError('CRYPTO_PARCEL_REFUSED', undefined, { cause })
  }
  return Secret.take(secret)
}

function agreedKey(session: Session, route: Route): Secret | undefined {
  return session.agreed.get(nameOf(route))
}

function remember(session: Session, route: Route, key: Secret): Secret {
  if (session.agreed.size >= AGREED_KEYS_MAX) forgetAll(session)
  session.agreed.set(nameOf(route), key)
  return key
}

function forgetAll(session: Session): void {
  for (const key of session.agreed.values()) key.wipe()
  session.agreed.clear()
}

function nameOf({ sender, recipient }: Route): string {
  return `${Buffer.from(sender).toString('base64')} ${Buffer.from(recipient).toString('base64')}`
}
