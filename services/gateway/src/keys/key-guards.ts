import type { IamService, KmsService } from '@coffer/contracts'
import { SERVER_KEY_ID } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import type { NamedPolicy } from '@coffer/policy'
import { keyArnOf } from '../kms-api/key-names.ts'
import { defaultPolicyText, keyPolicyOf } from './key-policy.ts'

/** Who says who may use a master key. */
export interface KeyGuard {
  readonly arn: string
  /** The account that the server's master keys belong to: the first. */
  readonly ownerAccountId: string
  /** As AWS's own `aws/s3`: whoever may put or get an object may use it for that. */
  readonly isServerKey: boolean
  readonly policy: NamedPolicy
}

/** The one account whose keys the server's master keys are. */
export const KEY_OWNER_NAME = 'root'
/** How long a policy that was replaced may still count here. */
const LEASE_MS = 2000
const KNOWN_MAX = 4096

/** The policies of master keys. They are in Coffer's own records: no KMS is asked, and one that is away changes nothing. */
export class KeyGuards {
  readonly #kms: KmsService
  readonly #iam: IamService
  readonly #region: string
  readonly #known = new Map<string, { readonly guard: Promise<KeyGuard>; readonly untilMs: number }>()
  #ownerAccountId: Promise<string> | undefined

  constructor(mesh: Mesh, region: string) {
    this.#kms = mesh.use('kms')
    this.#iam = mesh.use('iam')
    this.#region = region
  }

  /** Of a key by its name or alias. KMS_ALIAS_NOT_FOUND, KMS_CONNECTOR_NOT_FOUND; whether there is such a key is not asked. */
  find(keyName: string): Promise<KeyGuard> {
    const known = this.#known.get(keyName)
    if (known !== undefined && known.untilMs > Date.now()) return known.guard
    const guard = this.#find(keyName)
    if (this.#known.size >= KNOWN_MAX) this.#known.clear()
    this.#known.set(keyName, { guard, untilMs: Date.now() + LEASE_MS })
    guard.catch(() => this.#known.delete(keyName))
    return guard
  }

  /** The next who asks is told the newest. */
  forget(): void {
    this.#known.clear()
  }

  ownerAccountId(): Promise<string> {
    const asked = this.#ownerAccountId ?? this.#findOwner()
    this.#ownerAccountId = asked
    asked.catch(() => {
      this.#ownerAccountId = undefined
    })
    return asked
  }

  async #find(keyName: string): Promise<KeyGuard> {
    const ownerAccountId = await this.ownerAccountId()
    const { connector, keyId, defaultConnector, policy } = await this.#kms.findKeyPolicy(keyName)
    const naming = { region: this.#region, accountId: ownerAccountId, defaultConnector }
    const arn = keyArnOf({ connector, keyId }, naming)
    const text = policy ?? defaultPolicyText(ownerAccountId)
    return {
      arn,
      ownerAccountId,
      isServerKey: connector === defaultConnector && keyId === SERVER_KEY_ID,
      policy: { id: arn, policy: keyPolicyOf(text) },
    }
  }

  async #findOwner(): Promise<string> {
    const accounts = await this.#iam.listAccounts()
    return accounts.find(({ name }) => name === KEY_OWNER_NAME)?.accountId ?? ''
  }
}
