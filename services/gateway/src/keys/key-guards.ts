import type { IamService, KeyGrant, KeyTag, KmsService } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { isAliasName, keyNameOf, SERVER_KEY_ID, scopedAliasName } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import type { KnownPrincipal, NamedPolicy } from '@coffer/policy'
import { type KeyNamed, keyArnOf, namedArnOf } from '../kms-api/key-names.ts'
import { granteeNamesOf } from './grant-decision.ts'
import { defaultPolicyText, keyPolicyOf } from './key-policy.ts'
import { Leased } from './leased.ts'

/** Who says who may use a master key. */
export interface KeyGuard {
  /** `connector/key`. */
  readonly name: string
  readonly arn: string
  /** The account that the key belongs to. */
  readonly ownerAccountId: string
  /** As AWS's own `aws/s3`: whoever may put or get an object may use it for that. */
  readonly isServerKey: boolean
  readonly policy: NamedPolicy
  readonly tags: readonly KeyTag[]
}

/** What a client's name of a key leads to. */
export interface NamedGuard {
  /**
   * Where there is none, or one of another account than the name says: as of a key of that account with the default policy. So who may not use a
   * key is told the same of one that is there and one that is not.
   */
  readonly guard: KeyGuard
  readonly isThere: boolean
}

/** The account whose keys are that name no owner. */
const FIRST_ACCOUNT_NAME = 'root'
/** How long a policy that was replaced, or a grant that was revoked, may still count here. */
const LEASE_MS = 1000

/**
 * The policies and grants of master keys. They are in Coffer's own records: no KMS is asked, and one that is away changes nothing.
 */
export class KeyGuards {
  readonly #kms: KmsService
  readonly #iam: IamService
  readonly region: string
  readonly #guards = new Leased<KeyGuard>(LEASE_MS)
  readonly #aliases = new Leased<readonly string[]>(LEASE_MS)
  readonly #grants = new Leased<readonly KeyGrant[]>(LEASE_MS)
  #firstAccountId: Promise<string> | undefined

  constructor(mesh: Mesh, region: string) {
    this.#kms = mesh.use('kms')
    this.#iam = mesh.use('iam')
    this.region = region
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

  /** Of a key by its name, `connector/key`. */
  findAliases(name: string): Promise<readonly string[]> {
    return this.#aliases.get(name, async () => (await this.#kms.findKeyPolicy(name, { aliases: true })).aliases ?? [])
  }

  /** The next who asks is told the newest. */
  forget(): void {
    this.#guards.clear()
    this.#aliases.clear()
    this.#grants.clear()
  }

  firstAccountId(): Promise<string> {
    const asked = this.#firstAccountId ?? this.#findFirst()
    this.#firstAccountId = asked
    asked.catch(() => {
      this.#firstAccountId = undefined
    })
    return asked
  }

  /** Of a key as a client names it. Fresh: an alias that was repointed just now counts. */
  async findNamed(named: KeyNamed, { isFresh = false } = {}): Promise<NamedGuard> {
    const keyName = await this.#nameOf(named)
    const found = await (isFresh ? this.#find(keyName) : this.find(keyName)).catch(unlessNotFound)
    if (found?.ownerAccountId === named.accountId) return { guard: found, isThere: true }
    const [defaultConnector = ''] = await this.#kms.listConnectors()
    const arn = namedArnOf(named, { region: this.region, defaultConnector })
    const policy = { id: arn, policy: keyPolicyOf(defaultPolicyText(named.accountId)) }
    const isServerKey = found?.isServerKey === true
    return { guard: { name: '', arn, ownerAccountId: named.accountId, isServerKey, policy, tags: [] }, isThere: false }
  }

  /** For the services: an alias with its account. */
  async #nameOf({ accountId, name }: KeyNamed): Promise<string> {
    if (!isAliasName(name) || accountId === (await this.firstAccountId())) return name
    return scopedAliasName({ alias: name, ownerAccountId: accountId })
  }

  async #find(keyName: string): Promise<KeyGuard> {
    const firstAccountId = await this.firstAccountId()
    const { defaultConnector, policy, policyPrincipals, tags = [], ...key } = await this.#kms.findKeyPolicy(keyName)
    const { connector, keyId, ownerAccountId = firstAccountId } = key
    const arn = keyArnOf(key, { region: this.region, firstAccountId, defaultConnector })
    const text = policy ?? defaultPolicyText(ownerAccountId)
    return {
      name: keyNameOf({ connector, keyId }),
      arn,
      ownerAccountId,
      isServerKey: connector === defaultConnector && keyId === SERVER_KEY_ID,
      policy: { id: arn, policy: keyPolicyOf(text, policyPrincipals) },
      tags,
    }
  }

  async #findFirst(): Promise<string> {
    const accounts = await this.#iam.listAccounts()
    return accounts.find(({ name }) => name === FIRST_ACCOUNT_NAME)?.accountId ?? ''
  }
}

/** An alias or a connector that names nothing. */
export function unlessNotFound(error: unknown): undefined {
  if (isCofferError(error, 'KMS_CONNECTOR_NOT_FOUND') || isCofferError(error, 'KMS_ALIAS_NOT_FOUND')) return undefined
  throw error
}
