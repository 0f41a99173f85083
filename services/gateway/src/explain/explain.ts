import type { DescribeHolderRequest } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'
import { decide, PolicyMalformed, PolicyReader, type PrincipalPolicies, parseIdentityPolicy } from '@coffer/policy'
import { S3Error } from '@coffer/s3-protocol'
import { BucketCache } from '../bucket/bucket-cache.ts'
import { KeyGuards } from '../keys/key-guards.ts'
import { KmsApiError } from '../kms-api/errors.ts'
import { parseResource } from '../steps/s3-actions.ts'
import { explainOnBucket } from './explain-bucket.ts'
import { explainOnKey } from './explain-key.ts'
import { explainOnRole, isOnRole } from './explain-role.ts'
import {
  type ExplainedDecision,
  type ExplainedUse,
  type Explaining,
  NotExplained,
  ONLY_OF_KMS,
  type RequestFacts,
} from './explained-use.ts'
import { GivenValues } from './given-values.ts'

/** A service that is there is heard within a second. */
const SERVICES_TIMEOUT_MS = 10_000

/** May this user or role do that? */
export interface ExplainRequest extends DescribeHolderRequest, RequestFacts {
  /** `s3:GetObject`. */
  readonly action: string
  readonly resource: string
  /** Passed with the session of the role, one and all. */
  readonly sessionPolicies?: readonly { readonly id: string; readonly document: string }[]
  /** Values of condition keys of the request, by their names; of an encryption context as it is written. */
  readonly values: Readonly<Record<string, readonly string[]>>
}

export interface Explanation extends Pick<ExplainedDecision, 'effect' | 'reason' | 'statement'> {
  readonly principalArn: string
  /** What decided: another than was asked where that was allowed, and an object's key has a word in it too. */
  readonly action: string
  readonly resource: string
  /** Names of all policies that were asked. */
  readonly policies: readonly string[]
  readonly resourcePolicy: ExplainedUse['resourcePolicy']
  /** Condition keys of the request that policies asked for and no value was given of. */
  readonly valuesMissing: readonly string[]
}

/**
 * What a request of this user or of a session of this role would be told, and by which statement: asked of the same policies and
 * decided by the same functions as requests are. IAM_ACCOUNT_NOT_FOUND, IAM_NO_SUCH_ENTITY, NotExplained.
 */
export async function explain(mesh: Mesh, region: string, request: ExplainRequest): Promise<Explanation> {
  const { action, resource, values: given, sessionPolicies, account, user, role, ...facts } = request
  const who = { account, ...(user !== undefined && { user }), ...(role !== undefined && { role }) }
  await mesh.waitFor(['metadata', 'kms', 'crypto', 'iam'], SERVICES_TIMEOUT_MS)
  const { principal, policies: attached } = await mesh.use('iam').describeHolder(who)
  const values = new GivenValues(withCopySource(given, facts), principal, region)
  const policies = withSession(new PolicyReader().read(attached), sessionPolicies)
  const asked: Explaining = { principal, policies, action, resource, values, facts }
  const use = await explainUse(asked, mesh, region).catch((error: unknown) => {
    if (error instanceof S3Error || error instanceof KmsApiError) throw new NotExplained(error.message)
    throw error
  })
  const { effect, reason, statement } = use.decision
  const { identity, boundary, session = [] } = policies
  const own = [...identity, ...(boundary ? [boundary] : []), ...session].map(({ id }) => id)
  return {
    principalArn: principal.arn,
    effect,
    reason,
    action: use.action,
    resource: use.resource,
    ...(statement && { statement }),
    policies: [...own, ...use.resourcePolicies],
    resourcePolicy: use.resourcePolicy,
    valuesMissing: values.missing(),
  }
}

const COPY_SOURCE = 's3:x-amz-copy-source'

/** A condition key too; as it is said unless it is given. */
function withCopySource(given: ExplainRequest['values'], { copySource }: RequestFacts): ExplainRequest['values'] {
  const named = copySource && parseResource(copySource.resource)
  if (named === undefined || Object.keys(given).some((key) => key.toLowerCase() === COPY_SOURCE)) return given
  return { ...given, [COPY_SOURCE]: [`${named.bucket}/${named.key}`] }
}

/** NotExplained for what is no policy. */
function withSession(policies: PrincipalPolicies, passed: ExplainRequest['sessionPolicies'] = []): PrincipalPolicies {
  if (passed.length === 0) return policies
  const session = passed.map(({ id, document }) => {
    try {
      return { id, policy: parseIdentityPolicy(document) }
    } catch (error) {
      if (error instanceof PolicyMalformed) throw new NotExplained(`${id}: ${error.message}`)
      throw error
    }
  })
  return { ...policies, session }
}

async function explainUse(asked: Explaining, mesh: Mesh, region: string): Promise<ExplainedUse> {
  const { principal, policies, action, resource, values } = asked
  const guards = new KeyGuards(mesh, region)
  if (action.startsWith('s3:')) {
    const metadata = mesh.use('metadata')
    return await explainOnBucket(asked, { metadata, buckets: new BucketCache(mesh, 0), guards, region })
  }
  if (action.startsWith('kms:')) return await explainOnKey(asked, { guards, region })
  if (asked.facts?.targetKey !== undefined) throw new NotExplained(ONLY_OF_KMS)
  if (isOnRole(asked)) return await explainOnRole(asked, mesh.use('iam'))
  const resourceAccountId = principal.accountId
  const decision = decide({ principal, policies, action, resource, resourceAccountId, values: values.of() })
  return { decision, action, resource, resourcePolicies: [], resourcePolicy: 'not-asked' }
}
