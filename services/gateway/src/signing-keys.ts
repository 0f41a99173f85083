import type { IamService, Principal } from '@coffer/contracts'
import { insecureExportKeyBytes } from '@coffer/crypto-core'
import type { Mesh } from '@coffer/mesh'

export interface SigningKey {
  readonly principal: Principal
  readonly keyBytes: Uint8Array
}

const CACHED_KEYS_MAX = 10_000

/**
 * Day keys of SigV4 by access key and scope, kept no longer than the lease that iam gave with them: that bounds how long a
 * revoked access key still works here. The long-term secrets never come to a gateway.
 */
export class SigningKeys {
  readonly #iam: IamService
  readonly #mesh: Mesh
  readonly #cached = new Map<string, { readonly key: SigningKey; readonly untilMs: number }>()

  constructor(mesh: Mesh) {
    this.#mesh = mesh
    this.#iam = mesh.use('iam')
  }

  async find(scope: {
    accessKeyId: string
    date: string
    region: string
    service: string
  }): Promise<SigningKey | undefined> {
    const name = `${scope.accessKeyId}/${scope.date}/${scope.region}/${scope.service}`
    const cached = this.#cached.get(name)
    if (cached !== undefined && cached.untilMs > Date.now()) return cached.key
    const { accessKeyId, date, region, service } = scope
    const found = await this.#iam.findSigningKey({ accessKeyId, date, region, service }, this.#mesh.recipient())
    if (found === undefined) {
      this.#cached.delete(name)
      return undefined
    }
    const keyBytes = insecureExportKeyBytes(
      this.#mesh.unparcel(found.signingKey, 'signing-key', accessKeyId, date, region, service),
    )
    const key = { principal: found.principal, keyBytes }
    if (this.#cached.size >= CACHED_KEYS_MAX) this.#cached.clear()
    this.#cached.set(name, { key, untilMs: Date.now() + found.leaseMs })
    return key
  }
}
