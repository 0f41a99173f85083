import { randomBytes, randomInt } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { iamError } from '../errors.ts'
import type { IamRecords } from '../iam-records.ts'
import type { ProviderLogin, SessionOrigin, SessionTaker } from './logouts.ts'

/** Whose session it is. */
export type SessionHolder =
  | { readonly kind: 'role'; readonly roleId: string; readonly sessionName: string }
  | { readonly kind: 'user'; readonly userId: string }
  | { readonly kind: 'root' }
  /** Of a user, or of the root where `userId` is absent. */
  | { readonly kind: 'federated-user'; readonly name: string; readonly userId?: string }

/** Temporary credentials: everything about them is in their token, sealed. Nothing is stored. */
export interface Session {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly accountId: string
  readonly holder: SessionHolder
  readonly issuedAt: number
  readonly expiresAt: number
  /** Passed with the session: what it can do at most. Absent: no limit. */
  readonly policy?: string
  readonly policyArns?: readonly string[]
  readonly tags: Readonly<Record<string, string>>
  /** Names of those that go on to the sessions of roles that this one takes. */
  readonly transitiveTagKeys: readonly string[]
  readonly sourceIdentity?: string
  readonly federatedProvider?: string
  readonly proven?: Readonly<Record<string, string>>
  /** Of whom it is at an OpenID Connect provider, to be ended by a log-out there. Sessions of before there were any have none. */
  readonly login?: ProviderLogin
  /** Of a role: who took the first of its chain, unless `login` says so. */
  readonly takenBy?: SessionTaker
  /** The session that the first role of its chain was taken with. */
  readonly origin?: SessionOrigin
  /** Those of its chain after that, which were not over yet. */
  readonly between?: readonly (SessionOrigin & { readonly expiresAt: number })[]
}

/** A packed session has to fit into request headers beside everything else. */
export const PACKED_BYTES_MAX = 6_000
const UNPACKED_BYTES_MAX = 64 * 1024
const TOKEN_CHARACTERS_MAX = 8_192 + 64
const TOKEN_FORM = /^[A-Za-z0-9_-]+$/
const PURPOSE = 'sts-session'
const SECRET_BYTES = 30
const ID_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const SESSIONS_KNOWN_MAX = 10_000

/** `ASIA...`, as AWS's temporary access keys. */
export function newSessionKey(): Pick<Session, 'accessKeyId' | 'secretAccessKey'> {
  const id = Array.from({ length: 16 }, () => ID_ALPHABET[randomInt(ID_ALPHABET.length)]).join('')
  return {
    accessKeyId: `ASIA${id}`,
    secretAccessKey: randomBytes(SECRET_BYTES).toString('base64').replaceAll('/', '-'),
  }
}

export function isSessionKeyId(accessKeyId: string): boolean {
  return accessKeyId.startsWith('ASIA')
}

type Sealer = Pick<IamRecords, 'seal' | 'unseal'>

/**
 * Makes sessions into tokens and back. A token is the session, packed and sealed under the key of the identity records, bound to
 * its access key: who has neither that key nor the session's secret learns and can do nothing with it.
 */
export class SessionTokens {
  readonly #records: Sealer
  /** By token. A token that was opened once is opened for good: what can end is looked up for every request. */
  readonly #known = new Map<string, Session>()

  constructor(records: Sealer) {
    this.#records = records
  }

  /** IAM_PACKED_POLICY_TOO_LARGE. `packedPercent`: of what fits. */
  async seal(session: Session): Promise<{ readonly token: string; readonly packedPercent: number }> {
    const packed = deflateRawSync(Buffer.from(JSON.stringify(session)))
    if (packed.length > PACKED_BYTES_MAX) throw iamError('IAM_PACKED_POLICY_TOO_LARGE')
    const sealed = await this.#records.seal(PURPOSE, session.accessKeyId, packed)
    packed.fill(0)
    return {
      token: Buffer.from(sealed).toString('base64url'),
      packedPercent: Math.ceil((packed.length * 100) / PACKED_BYTES_MAX),
    }
  }

  /** IAM_SESSION_TOKEN_INVALID, IAM_SESSION_EXPIRED. */
  async open(token: string, accessKeyId: string, nowMs: number): Promise<Session> {
    const session = this.#known.get(token) ?? (await this.#unseal(token, accessKeyId))
    if (session.accessKeyId !== accessKeyId) throw iamError('IAM_SESSION_TOKEN_INVALID')
    if (session.expiresAt <= nowMs) {
      this.#known.delete(token)
      throw iamError('IAM_SESSION_EXPIRED')
    }
    return session
  }

  async #unseal(token: string, accessKeyId: string): Promise<Session> {
    if (token.length > TOKEN_CHARACTERS_MAX || !TOKEN_FORM.test(token)) throw iamError('IAM_SESSION_TOKEN_INVALID')
    let packed: Buffer
    try {
      packed = await this.#records.unseal(PURPOSE, accessKeyId, Buffer.from(token, 'base64url'))
    } catch (cause) {
      throw iamError('IAM_SESSION_TOKEN_INVALID', undefined, { cause })
    }
    const unpacked = inflateRawSync(packed, { maxOutputLength: UNPACKED_BYTES_MAX })
    const session = JSON.parse(unpacked.toString()) as Session
    packed.fill(0)
    unpacked.fill(0)
    if (this.#known.size >= SESSIONS_KNOWN_MAX) this.#known.clear()
    this.#known.set(token, session)
    return session
  }
}
