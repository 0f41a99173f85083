import type { KeyGrant } from '@coffer/contracts'
import { keyNameOf } from '@coffer/kms'
import { PolicyMalformed } from '@coffer/policy'
import { z } from 'zod'
import { assertGrantPrincipal } from '../../keys/grant-decision.ts'
import { kmsApiError } from '../errors.ts'
import { assertOnly, grantToken, grantTokens, keyId, marker } from '../fields.ts'
import { grantConstraints, grantConstraintsOf, grantId, grantName, grantOperations, principal } from '../grant-input.ts'
import { grantOf } from '../grants-named.ts'
import { assertNotServerKey, secondsOf } from '../key-metadata.ts'
import { keyNamed, liveKeyNamed } from '../named-keys.ts'
import { type KmsApiCall, kmsApiOperation } from '../operation.ts'
import { limitOf, moreOf, parseMarker } from '../pages.ts'

/** Only AWS's services are principals of this kind. */
const OfService = z.unknown().optional()
const DryRun = z.boolean().optional()
const Limit = limitOf(100, 50)
const GRANT_ID = /^[0-9a-f]{64}$/

/** In force at once in this process and wherever its token is given, and within a second in every other. */
export const createGrant = kmsApiOperation(
  z.strictObject({
    KeyId: keyId,
    GranteePrincipal: principal.optional(),
    GranteeServicePrincipal: OfService,
    RetiringPrincipal: principal.optional(),
    RetiringServicePrincipal: OfService,
    Operations: grantOperations,
    Constraints: grantConstraints.optional(),
    GrantTokens: grantTokens.optional(),
    Name: grantName.optional(),
    DryRun,
  }),
  async (input, call) => {
    assertOnly('GranteeServicePrincipal', input.GranteeServicePrincipal, undefined)
    assertOnly('RetiringServicePrincipal', input.RetiringServicePrincipal, undefined)
    assertOnly('Constraints.SourceArn', input.Constraints?.SourceArn, undefined)
    const { GranteePrincipal: granteePrincipal, RetiringPrincipal: retiringPrincipal, Name: name } = input
    if (granteePrincipal === undefined) throw invalid('GranteePrincipal is needed.')
    const granteeId = await identified(granteePrincipal, call)
    const retiringId = retiringPrincipal === undefined ? undefined : await identified(retiringPrincipal, call)
    const key = await liveKeyNamed(call, input.KeyId)
    assertNotServerKey(key, call)
    if (input.DryRun === true) return undefined
    const constraints = grantConstraintsOf(input.Constraints)
    const { grant, token } = await call.kms.createGrant(keyNameOf(key), {
      ...(name !== undefined && { name }),
      granteePrincipal,
      ...(granteeId !== granteePrincipal && { granteeId }),
      ...(retiringPrincipal !== undefined && { retiringPrincipal }),
      ...(retiringId !== undefined && retiringId !== retiringPrincipal && { retiringId }),
      issuingAccountId: call.caller.principal.accountId,
      operations: [...new Set(input.Operations)],
      ...(constraints !== undefined && { constraints }),
    })
    call.guards.forget()
    return { GrantToken: token, GrantId: grant.grantId }
  },
  { changesKeys: true },
)

export const listGrants = kmsApiOperation(
  z.strictObject({
    KeyId: keyId,
    GrantId: grantId.optional(),
    GranteePrincipal: principal.optional(),
    GranteeServicePrincipal: OfService,
    Limit,
    Marker: marker.optional(),
  }),
  async (input, call) => {
    assertOnly('GranteeServicePrincipal', input.GranteeServicePrincipal, undefined)
    const keyName = keyNameOf(await liveKeyNamed(call, input.KeyId))
    const { GrantId, GranteePrincipal } = input
    const grantees = GranteePrincipal === undefined ? undefined : await namesOf(GranteePrincipal, call)
    if (GrantId !== undefined) {
      const grant = await call.kms.findGrant(keyName, validGrantId(GrantId))
      const isWanted = grantees === undefined || grantees.includes(grant.granteeId ?? grant.granteePrincipal)
      return pageOfGrants(isWanted ? [grant] : [], 1, ({ grantId }) => grantId, call)
    }
    const grants = await call.kms.listGrants({
      keyId: keyName,
      ...(grantees !== undefined && { grantees }),
      afterGrantId: parseMarker(input.Marker),
      limit: input.Limit + 1,
    })
    return pageOfGrants(grants, input.Limit, ({ grantId }) => grantId, call)
  },
)

/** Of every key, in whatever account: who asks has to be of the retiring principal's. */
export const listRetirableGrants = kmsApiOperation(
  z.strictObject({
    RetiringPrincipal: principal.optional(),
    RetiringServicePrincipal: OfService,
    Limit,
    Marker: marker.optional(),
  }),
  async (input, call) => {
    assertOnly('RetiringServicePrincipal', input.RetiringServicePrincipal, undefined)
    const { RetiringPrincipal: retiringPrincipal } = input
    if (retiringPrincipal === undefined) throw invalid('RetiringPrincipal is needed.')
    assertArn(retiringPrincipal)
    if (retiringPrincipal.split(':')[4] !== call.caller.principal.accountId) {
      throw kmsApiError('AccessDeniedException', { message: 'The retiring principal is not of your account.' })
    }
    const after = parseMarker(input.Marker)
    const retiring = await namesOf(retiringPrincipal, call)
    const grants = await call.kms.listRetirableGrants({ retiring, after, limit: input.Limit + 1 })
    return pageOfGrants(grants, input.Limit, (grant) => `${keyNameOf(grant)}/${grant.grantId}`, call)
  },
)

/** By its token, or by its key and id. */
export const retireGrant = kmsApiOperation(
  z.strictObject({
    GrantToken: grantToken.optional(),
    KeyId: keyId.optional(),
    GrantId: grantId.optional(),
    DryRun,
  }),
  async (input, call) => {
    const isNamed = input.KeyId !== undefined && input.GrantId !== undefined
    const isNamedInPart = input.KeyId !== undefined || input.GrantId !== undefined
    if (input.GrantToken === undefined ? !isNamed : isNamedInPart) {
      throw invalid('Give either GrantToken, or KeyId and GrantId.')
    }
    if (input.GrantId !== undefined) validGrantId(input.GrantId)
    const grant = await grantOf(input, call)
    if (grant !== undefined && input.DryRun !== true) await remove(grant, call)
    return undefined
  },
  { changesKeys: true },
)

export const revokeGrant = kmsApiOperation(
  z.strictObject({ KeyId: keyId, GrantId: grantId, DryRun }),
  async ({ KeyId, GrantId, DryRun: isDry }, call) => {
    const grant = await call.kms.findGrant((await keyNamed(call, KeyId)).name, validGrantId(GrantId))
    if (isDry !== true) await remove(grant, call)
    return undefined
  },
  { changesKeys: true },
)

async function remove(grant: KeyGrant, call: KmsApiCall): Promise<void> {
  await call.kms.removeGrant(keyNameOf(grant), grant.grantId)
  call.guards.forget()
}

async function pageOfGrants(
  grants: readonly KeyGrant[],
  limit: number,
  markerOf: (grant: KeyGrant) => string,
  call: KmsApiCall,
): Promise<object> {
  const shown = grants.slice(0, limit)
  const last = grants.length > limit ? shown.at(-1) : undefined
  const ids = shown.flatMap(({ granteeId, retiringId }) => [granteeId, retiringId].filter((id) => id !== undefined))
  const arns = ids.length === 0 ? {} : await call.mesh.use('iam').findPrincipalArns([...new Set(ids)])
  const keyArns = await Promise.all(shown.map(async (grant) => (await call.guards.find(keyNameOf(grant))).arn))
  const Grants = shown.map((grant, index) => ({ KeyId: keyArns[index], ...entryOf(grant, arns) }))
  return { Grants, ...moreOf(last && markerOf(last)) }
}

/** AWS KMS API Reference, GrantListEntry, but the ARN of the key: who is gone by their unique id. */
function entryOf(grant: KeyGrant, arns: Readonly<Record<string, string>>): object {
  const { granteePrincipal, granteeId, retiringPrincipal, retiringId } = grant
  const nameOf = (id: string) => arns[id] ?? id
  const { encryptionContextEquals: equals, encryptionContextSubset: subset } = grant.constraints ?? {}
  return {
    GrantId: grant.grantId,
    ...(grant.name !== undefined && { Name: grant.name }),
    CreationDate: secondsOf(grant.createdAt),
    GranteePrincipal: granteeId === undefined ? granteePrincipal : nameOf(granteeId),
    ...(retiringPrincipal !== undefined && {
      RetiringPrincipal: retiringId === undefined ? retiringPrincipal : nameOf(retiringId),
    }),
    IssuingAccount: `arn:aws:iam::${grant.issuingAccountId}:root`,
    Operations: grant.operations,
    ...(grant.constraints !== undefined && {
      Constraints: {
        ...(equals !== undefined && { EncryptionContextEquals: equals }),
        ...(subset !== undefined && { EncryptionContextSubset: subset }),
      },
    }),
  }
}

function validGrantId(id: string): string {
  if (GRANT_ID.test(id)) return id
  throw kmsApiError('InvalidGrantIdException')
}

function assertArn(arn: string): void {
  try {
    assertGrantPrincipal(arn)
  } catch (cause) {
    if (!(cause instanceof PolicyMalformed)) throw cause
    throw kmsApiError('InvalidArnException', { message: `${arn} is no ARN of a principal.`, cause })
  }
}

/** Who an ARN means now; an account, or a federated user, is what the ARN says. InvalidArnException. */
async function identified(arn: string, call: KmsApiCall): Promise<string> {
  assertArn(arn)
  const id = (await call.mesh.use('iam').identifyPrincipals([arn]))[arn]
  if (id !== undefined) return id
  throw kmsApiError('InvalidArnException', { message: `ARN does not refer to a valid principal: ${arn}` })
}

/** All by which grants name whom an ARN, or a unique id, means: grants of before there were ids by the ARN. */
async function namesOf(name: string, call: KmsApiCall): Promise<readonly string[]> {
  const id = (await call.mesh.use('iam').identifyPrincipals([name]))[name]
  return id === undefined || id === name ? [name] : [id, name]
}

function invalid(message: string) {
  return kmsApiError('ValidationException', { message })
}
