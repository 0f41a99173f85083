import type { IamService, KeyGrant, KmsService } from '@coffer/contracts'
import { keyNameOf, SERVER_KEY_ID } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import type { KnownPrincipal, NamedPolicy } from '@coffer/policy'
import { keyArnOf } from '../kms-api/key-names.ts'
import { granteeNamesOf } from './grant-decision.ts'
import { defaultPolicyText, keyPolicyOf } from './key-policy.ts'
import { Leased } from './leased.ts'

/** Who says who may use a master key. */
export interface KeyGuard {
  /** `connector/key`. */
  readonly name: string
  readonly arn: string
  /** The account that the server's master keys belong to: the first. */
  readonly ownerAccountId: string
  /** As AWS's own `aws/s3`: whoever may put or get an object may use it for that. */
  readonly isServerKey: boolean
  readonly policy: NamedPolicy
}

/** The one account whose keys the server's master keys are. */
export const KEY_OWNER_NAME = 'root'
/** How long a policy that was replaced, or a grant that was revoked, may still count here. */
const LEASE_MS = 1000

/**
 * The policies and grants of master keys. They are in Coffer's own records: no KMS is asked, and one that is away changes nothing.
 */
export class KeyGuards {
  readonly #kms: KmsService
  readonly #iam: IamService
  readonly #region: string
  readonly #guards = new Leased<KeyGuard>(LEASE_MS)
  readonly #grants = new Leased<readonly KeyGrant[]>(LEASE_MS)
  #ownerAccountId: Promise<string> | undefined

  constructor(mesh: Mesh, region: string) {
    this.#kms = mesh.use('kms')
    this.#iam = mesh.use('iam')
    this.#region = region
  }

  /** Of a key by its name or alias. KMS_ALIAS_NOT_FOUND, KMS_CONNECTOR_NOT_FOUND; whether there is such a key is not asked. */
  find(keyName: string): Promise<KeyGuard> {
    return this.#guards.get(keyName, () => this.#find(keyName))
  }

  /** Of a key by its name, `connector/key`: those that name who asks, its role or its account. */
  findGrants(name: string, principal: KnownPrincipal): Promise<readonly KeyGrant[]> {
    const find = () => this.#kms.findGrantsTo(name, granteeNamesOf(principal))
    // Both: who has a name now may not be who had it a moment ago.
    return this.#grants.get(`${name} ${principal.arn} ${principal.userId}`, find)
  }

  /** The next who asks is told the newest. */
  forget(): void {
    this.#guards.clear()
    this.#grants.clear()
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
    const { connector, keyId, defaultConnector, policy, policyPrincipals } = await this.#kms.findKeyPolicy(keyName)
    const naming = { region: this.#region, accountId: ownerAccountId, defaultConnector }
    const arn = keyArnOf({ connector, keyId }, naming)
    const text = policy ?? defaultPolicyText(ownerAccountId)
    return {
      name: keyNameOf({ connector, keyId }),
      arn,
      ownerAccountId,
      isServerKey: connector === defaultConnector && keyId === SERVER_KEY_ID,
      policy: { id: arn, policy: keyPolicyOf(text, policyPrincipals) },
    }
  }

  async #findOwner(): Promise<string> {
    const accounts = await this.#iam.listAccounts()
    return accounts.find(({ name }) => name === KEY_OWNER_NAME)?.accountId ?? ''
  }
}
