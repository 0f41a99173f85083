import type { AttachedPolicies, CredentialIds, IamService, KeyParcel, Principal } from '@coffer/contracts'
import { insecureExportKeyBytes, Secret } from '@coffer/crypto-core'
import type { Mesh } from '@coffer/mesh'
import { PolicyReader } from '@coffer/policy'
import type { WebIdentityVerifier } from '@coffer/web-identity'
import {
  accessKeyOf,
  accessKeyRecord,
  type KeyUse,
  keyUseRecord,
  roleUseRecord,
  type StoredAccessKey,
} from './access-keys.ts'
import { forgetEnds, planAccount, planPublicAccessBlock, planRemoval, planRoot, ROOT_NAME } from './accounts.ts'
import { isAccessKeyId, newAccessKey } from './credentials.ts'
import { describeHolder } from './describe-holder.ts'
import { iamError, refusal } from './errors.ts'
import { IamRecords } from './iam-records.ts'
import { accountIn, IamStore } from './iam-store.ts'
import { type IdentitySettings, NO_IDENTITIES } from './identity-settings.ts'
import { findKeyOf } from './keys-of-account.ts'
import { arnOfIdentified, identifyPrincipal } from './principal-ids.ts'
import { policiesOfKey, principalOfKey } from './principals.ts'
import { DayKeys, isSignatureV2 } from './signing-key.ts'
import { isEnded } from './sts/logouts.ts'
import { isSessionKeyId, type Session, SessionTokens } from './sts/session.ts'
import { policiesOfSession, principalOfSession } from './sts/session-principal.ts'

export interface IamServiceOptions {
  readonly mesh: Mesh
  /**
   * How long what is known of identities may be used without asking whether it is still so; 0 where asking costs nothing
   * (metadata in this process).
   */
  readonly staleMsMax?: number
  /** Absent: nobody but those whom accounts know. */
  readonly identities?: IdentitySettings | undefined
}

interface Identified {
  readonly principal: Principal
  readonly policies: AttachedPolicies
  /** Of temporary credentials. */
  readonly session: Session | undefined
}

const ACCOUNT_NAME = /^[A-Za-z0-9._@+-]{1,64}$/
const STALE_MS_MAX = 250
/**
 * How long another process may rely on a signing key. With the time that this process' directory may be behind it is the
 * longest that a revoked access key goes on working: under one second.
 */
const LEASE_MS = 500

/** Accounts, and within them users, groups, roles, policies and access keys. */
export function createIamService(options: IamServiceOptions): IamService {
  const { mesh, identities = NO_IDENTITIES } = options
  const metadata = mesh.use('metadata')
  const records = new IamRecords(mesh)
  const dayKeys = new DayKeys()
  const reader = new PolicyReader()
  const onSecretsChanged = (recordIds: readonly string[]) => {
    if (recordIds.length === 0) dayKeys.forgetAll()
    for (const recordId of recordIds) {
      const accessKeyId = accessKeyOf(recordId)
      if (accessKeyId !== undefined) dayKeys.forget(accessKeyId)
    }
  }
  const store = new IamStore(records, { staleMsMax: options.staleMsMax ?? STALE_MS_MAX, onSecretsChanged })
  const tokens = new SessionTokens(records)
  let verifier: WebIdentityVerifier | undefined
  /** Loaded by the first request for it. */
  const sts = async () => {
    const { logOut, performSts, WebIdentityVerifier } = await import('./sts/perform-sts.ts')
    verifier ??= new WebIdentityVerifier({ hosts: identities.oidcIssuerHosts })
    return { logOut, performSts, verifier }
  }
  const secretOf = async (accessKeyId: string) =>
    (await records.find<StoredAccessKey>(accessKeyRecord(accessKeyId)))?.secretAccessKey

  /** Whose credentials these are, as things are now. Undefined: nobody's. IAM_SESSION_EXPIRED, IAM_SESSION_TOKEN_INVALID. */
  const identify = async ({ accessKeyId, sessionToken }: CredentialIds): Promise<Identified | undefined> => {
    if (!isAccessKeyId(accessKeyId) || isSessionKeyId(accessKeyId) !== (sessionToken !== undefined)) return undefined
    const session = sessionToken === undefined ? undefined : await tokens.open(sessionToken, accessKeyId, Date.now())
    const directory = await store.current()
    if (session !== undefined && isEnded(directory, session, Date.now())) throw iamError('IAM_SESSION_EXPIRED')
    const principal = session ? principalOfSession(directory, session) : principalOfKey(directory, accessKeyId)
    const policies = session ? policiesOfSession(directory, session) : policiesOfKey(directory, accessKeyId)
    return principal && policies && { principal, policies, session }
  }
  const opened = (secrets: Readonly<Record<string, KeyParcel>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(secrets).map(([parameter, parcel]) => {
        const secret = mesh.unparcel(parcel, 'iam-parameter', parameter)
        const text = Buffer.from(insecureExportKeyBytes(secret)).toString()
        secret.wipe()
        return [parameter, text] as const
      }),
    )

  return {
    async findSigningKey(scope, recipient) {
      const { accessKeyId, date, region, service } = scope
      const identified = await identify(scope)
      if (identified === undefined) return undefined
      const { principal, policies, session } = identified
      const signingKey = await dayKeys.find(
        scope,
        async () => session?.secretAccessKey ?? (await secretOf(accessKeyId)),
      )
      return (
        signingKey && {
          principal,
          policiesId: policies.id,
          signingKey: mesh.parcel(signingKey, recipient, 'signing-key', accessKeyId, date, region, service),
          leaseMs: recipient.processId === mesh.processId ? 0 : LEASE_MS,
        }
      )
    },
    findPolicies: async (credentials) => (await identify(credentials))?.policies,
    async perform({ action: name, parameters, secrets, credentials, principal, values }, recipient) {
      // Loaded by the first request for one: a server that is only asked for objects starts without them.
      const { IAM_ACTIONS } = await import('./actions/index.ts')
      const action = IAM_ACTIONS.get(name)
      if (action === undefined)
        throw refusal('IAM_INVALID_ACTION', `Could not find operation ${name} for version 2010-05-08`)
      const directory = await store.newest()
      const identified = await identify(credentials)
      if (identified === undefined) throw refusal('IAM_ACCESS_DENIED', 'The access key is not valid any more.')
      // Otherwise who has taken a user's session for an hour could make an access key of it.
      if (identified.session !== undefined && identified.session.holder.kind !== 'role') {
        throw refusal('IAM_ACCESS_DENIED', 'Temporary credentials of users cannot call the IAM API.')
      }
      const { accountId } = principal
      const policies = reader.read(identified.policies)
      const call = { store, records, mesh, recipient, directory, principal, policies, accountId, values }
      return action.answer({ ...parameters, ...opened(secrets) }, call)
    },
    async performSts({ action, parameters, secrets, caller, certificate, values }, recipient) {
      const identified = caller && (await identify(caller.credentials))
      if (caller !== undefined && identified === undefined) {
        throw refusal('IAM_ACCESS_DENIED', 'The access key is not valid any more.')
      }
      const { performSts, verifier } = await sts()
      const directory = await store.current()
      const known = identified && { ...identified, policies: reader.read(identified.policies) }
      const parts = {
        mesh,
        recipient,
        directory,
        store,
        tokens,
        verifier,
        identities,
        caller: known,
        certificate,
        values,
      }
      return await performSts(action, parameters, { ...parts, secrets: opened(secrets) })
    },
    async logOut(logoutToken) {
      const { logOut, verifier } = await sts()
      return await logOut(store, verifier, logoutToken)
    },
    actionRecipient: async () => mesh.recipient(),
    describeHolder: async (request) => describeHolder(await store.newest(), request),
    async noteKeyUse({ accessKeyId, service, region, at, role }) {
      const directory = await store.current()
      const use = { at, service, region } satisfies KeyUse
      if (role !== undefined) {
        const known = directory.find('role', role.accountId, role.roleId)
        if (known !== undefined) await records.put(roleUseRecord(known), use)
      } else if (directory.keyOwner(accessKeyId) !== undefined) {
        await records.put(keyUseRecord(accessKeyId), use)
      }
    },
    async verifySignatureV2({ accessKeyId, stringsToSign, signature }) {
      if (!isAccessKeyId(accessKeyId)) return 'unknown-access-key'
      const directory = await store.current()
      const principal = principalOfKey(directory, accessKeyId)
      const policies = principal && policiesOfKey(directory, accessKeyId)
      const secret = policies && (await secretOf(accessKeyId))
      if (principal === undefined || policies === undefined || secret === undefined) return 'unknown-access-key'
      const fits = stringsToSign.some((text) => isSignatureV2(secret, text, signature))
      return fits ? { principal, policiesId: policies.id } : 'mismatch'
    },
    async identifyPrincipals(names) {
      const directory = await store.newest()
      return foundOf(names, (name) => identifyPrincipal(directory, name))
    },
    async findPrincipalArns(uniqueIds) {
      const directory = await store.current()
      return foundOf(uniqueIds, (uniqueId) => arnOfIdentified(directory, uniqueId))
    },
    async hasRootAccount() {
      return (await store.current()).accountNamed(ROOT_NAME) !== undefined
    },
    ensureRootAccount: (accessKey) => store.change((directory) => planRoot(directory, accessKey, records)),
    describeSealingKey: () => records.describeSealingKey(),
    rewrapSealingKey: (keyName) => records.rewrapSealingKey(keyName),
    async createAccount(name, recipient) {
      if (!ACCOUNT_NAME.test(name)) throw iamError('IAM_ACCOUNT_NAME_INVALID', { name: name.slice(0, 100) })
      const accessKey = newAccessKey()
      const account = await store.change((directory) => planAccount(directory, name, accessKey))
      const secret = Secret.take(Buffer.from(accessKey.secretAccessKey))
      const secretAccessKey = mesh.parcel(secret, recipient, 'secret-access-key', name)
      return { account, accessKeyId: accessKey.accessKeyId, secretAccessKey }
    },
    findAccount: async (accountId) => (await store.current()).account(accountId),
    listAccounts: async () => (await store.current()).accounts(),
    async listIdentityProviders() {
      const directory = await store.newest()
      return directory
        .accounts()
        .flatMap(({ accountId }) => directory.list('oidc-provider', accountId))
        .map(({ accountId, id }) => ({ accountId, issuer: issuerOf(id) }))
    },
    findPublicAccessBlock: async (accountId) => (await store.current()).settings(accountId).publicAccessBlock,
    async setPublicAccessBlock(accountId, block) {
      await store.change((directory) => planPublicAccessBlock(directory, accountId, block))
    },
    async removeAccount(idOrName) {
      const { accountId } = accountIn(await store.newest(), idOrName)
      await store.change(async (directory) => {
        const account = accountIn(directory, idOrName)
        const plan = planRemoval(directory, account)
        const owned = { ownerAccountId: account.accountId, prefix: '', afterName: '', limit: 1 }
        const { buckets } = await metadata.listBuckets(owned)
        if (buckets.length > 0) throw iamError('IAM_ACCOUNT_OWNS_BUCKETS', { account: account.name })
        const keyName = await findKeyOf(mesh.use('kms'), account.accountId)
        if (keyName !== undefined) throw iamError('IAM_ACCOUNT_OWNS_KEYS', { account: account.name, keyName })
        return plan
      })
      await forgetEnds(store, accountId)
    },
  }
}

function foundOf(names: readonly string[], find: (name: string) => string | undefined): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const found = find(name)
      return found === undefined ? [] : [[name, found] as const]
    }),
  )
}

const ON_THIS_MACHINE = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])([:/]|$)/

/** What the id of a provider leaves out: those of this machine may be without TLS, no others. */
function issuerOf(providerId: string): string {
  return `${ON_THIS_MACHINE.test(providerId) ? 'http' : 'https'}://${providerId}`
}
