import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

const FORMAT = 1
const KEY_BYTES = 32
const GRANT_ID_BYTES = 32
const NONCE_BYTES = 16
const MAC_BYTES = 32
const FORM = /^[A-Za-z0-9_-]{1,400}$/

/** Which grant a token is of; whether the grant gave it is not known yet. */
export interface GrantTokenClaim {
  /** `connector/key`. */
  readonly keyName: string
  readonly grantId: string
  readonly signed: Buffer
  readonly mac: Buffer
}

/** Of one grant: made anew with the grant, so that tokens of an earlier one of the same id are none of it. */
export function newTokenKey(): Buffer {
  return randomBytes(KEY_BYTES)
}

/**
 * Base64url of: format (1 byte), length of the key's name (1 byte), the name, the grant's id (32 bytes), a nonce (16 bytes),
 * HMAC-SHA-256 of what is before (32 bytes). It gives nobody anything: it only says which grant to look at.
 */
export function issueGrantToken(keyName: string, grantId: string, tokenKey: Uint8Array): string {
  const name = Buffer.from(keyName)
  const signed = Buffer.concat([
    Buffer.from([FORMAT, name.length]),
    name,
    Buffer.from(grantId, 'hex'),
    randomBytes(NONCE_BYTES),
  ])
  return Buffer.concat([signed, macOf(signed, tokenKey)]).toString('base64url')
}

/** Undefined: no token. */
export function parseGrantToken(token: string): GrantTokenClaim | undefined {
  if (!FORM.test(token)) return undefined
  const bytes = Buffer.from(token, 'base64url')
  const nameBytes = bytes[1] ?? 0
  const signedBytes = 2 + nameBytes + GRANT_ID_BYTES + NONCE_BYTES
  if (bytes[0] !== FORMAT || bytes.length !== signedBytes + MAC_BYTES) return undefined
  return {
    keyName: bytes.toString('latin1', 2, 2 + nameBytes),
    grantId: bytes.toString('hex', 2 + nameBytes, 2 + nameBytes + GRANT_ID_BYTES),
    signed: bytes.subarray(0, signedBytes),
    mac: bytes.subarray(signedBytes),
  }
}

export function isIssuedBy(tokenKey: Uint8Array, { signed, mac }: GrantTokenClaim): boolean {
  return timingSafeEqual(macOf(signed, tokenKey), mac)
}

function macOf(signed: Uint8Array, tokenKey: Uint8Array): Buffer {
  return createHmac('sha256', tokenKey).update(signed).digest()
}
