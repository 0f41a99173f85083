import type { CredentialIds, IamService, Principal, SigningScope } from '@coffer/contracts'
import { insecureExportKeyBytes } from '@coffer/crypto-core'
import type { Mesh } from '@coffer/mesh'
import { PolicyReader, type PrincipalPolicies } from '@coffer/policy'
import type { SignatureV2 } from '@coffer/s3-protocol'

/** Whose an access key is, the key to check a signature with, and what policies say of whose it is. */
export interface SigningKey {
  readonly principal: Principal
  readonly keyBytes: Uint8Array
  readonly policies: PrincipalPolicies
}

const CACHED_KEYS_MAX = 10_000
/** A key that is used all the time is told of no more often. */
const USE_NOTED_EVERY_MS = 10 * 60_000

/**
 * Day keys of SigV4 by access key and scope, kept no longer than the lease that iam gave with them: that bounds how long a
 * revoked access key, or a policy that was taken away, still counts here. The long-term secrets never come to a gateway. What is
 * attached to a principal is asked for once, and again when iam says that it is something else; each document is read once.
 */
export class SigningKeys {
  readonly #iam: IamService
  readonly #mesh: Mesh
  readonly #cached = new Map<string, { readonly key: SigningKey; readonly untilMs: number }>()
  readonly #policies = new PolicyReader()
  readonly #usedAtMs = new Map<string, number>()

  constructor(mesh: Mesh) {
    this.#mesh = mesh
    this.#iam = mesh.use('iam')
  }

  async find({ accessKeyId, date, region, service, sessionToken }: SigningScope): Promise<SigningKey | undefined> {
    const scope = { accessKeyId, date, region, service, ...(sessionToken !== undefined && { sessionToken }) }
    const name = `${accessKeyId}/${date}/${region}/${service}/${sessionToken ?? ''}`
    const cached = this.#cached.get(name)
    if (cached !== undefined && cached.untilMs > performance.now()) return cached.key
    const found = await this.#iam.findSigningKey(scope, this.#mesh.recipient())
    if (found === undefined) {
      this.#cached.delete(name)
      return undefined
    }
    const keyBytes = insecureExportKeyBytes(
      this.#mesh.unparcel(found.signingKey, 'signing-key', accessKeyId, date, region, service),
    )
    const policies = await this.#policiesOf(found.policiesId, scope)
    if (policies === undefined) return undefined
    const key = { principal: found.principal, keyBytes, policies }
    if (found.leaseMs > 0) {
      if (this.#cached.size >= CACHED_KEYS_MAX) this.#cached.clear()
      this.#cached.set(name, { key, untilMs: performance.now() + found.leaseMs })
    }
    return key
  }

  /** Who signed with Signature Version 2: iam compares, as the key is the long-term secret. */
  async findSignerV2({
    accessKeyId,
    stringsToSign,
    signature,
  }: SignatureV2): Promise<Omit<SigningKey, 'keyBytes'> | 'unknown-access-key' | 'mismatch'> {
    const found = await this.#iam.verifySignatureV2({ accessKeyId, stringsToSign, signature })
    if (typeof found === 'string') return found
    const policies = await this.#policiesOf(found.policiesId, { accessKeyId })
    return policies === undefined ? 'unknown-access-key' : { principal: found.principal, policies }
  }

  /**
   * A request with a right signature was made with this key, or with some session's of a role. Never fails: nothing depends on it.
   */
  used({ accessKeyId, region, service }: SigningScope, principal: Principal, at: number): void {
    const role = roleOf(principal)
    const name = role === undefined ? accessKeyId : `${role.accountId}/${role.roleId}`
    if (at - (this.#usedAtMs.get(name) ?? 0) < USE_NOTED_EVERY_MS) return
    if (this.#usedAtMs.size >= CACHED_KEYS_MAX) this.#usedAtMs.clear()
    this.#usedAtMs.set(name, at)
    const use = { accessKeyId, service, region, at, ...(role && { role }) }
    this.#iam.noteKeyUse(use).catch(() => this.#usedAtMs.delete(name))
  }

  async #policiesOf(id: string, credentials: CredentialIds): Promise<PrincipalPolicies | undefined> {
    const known = this.#policies.known(id)
    if (known !== undefined) return known
    const attached = await this.#iam.findPolicies(credentials)
    return attached && this.#policies.read(attached)
  }
}

/** `aws:userid` of a session is its role's unique id and its own name. */
function roleOf({ kind, accountId, userId }: Principal) {
  const [roleId = ''] = userId.split(':')
  return kind === 'assumed-role' ? { accountId, roleId } : undefined
}
