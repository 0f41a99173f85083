import type { MetadataService } from '@coffer/contracts'
import type { BucketCache, OpenBucket } from '../bucket/bucket-cache.ts'
import { policyOf } from '../bucket/bucket-policy.ts'
import type { KeyGuards } from '../keys/key-guards.ts'
import { findObjectIfThere } from '../object/find-object.ts'
import { decideOnBucket } from '../steps/bucket-decision.ts'
import { resourceValue } from '../steps/condition-values.ts'
import { existingObjectOf, factsOf } from '../steps/permission.ts'
import { isAccountAction, parseResource, resourceOf, versionedAction } from '../steps/s3-actions.ts'
import { isOtherOwner, isUnpaid } from '../steps/told-of-bucket.ts'
import { explainObjectKey } from './explain-object-key.ts'
import { explainWrite } from './explain-write.ts'
import { type ExplainedUse, type Explaining, NotExplained, ONLY_OF_KMS, type RequestRefusal } from './explained-use.ts'

/** What reads an object, and so needs its key; and what makes one, and so needs one of the key that it will be under. */
const READS: readonly string[] = ['s3:GetObject', 's3:GetObjectVersion']
const WRITE = 's3:PutObject'

export interface Where {
  readonly metadata: MetadataService
  readonly buckets: Pick<BucketCache, 'find'>
  readonly guards: KeyGuards
  readonly region: string
}

type ExplainingAction = Explaining & { readonly action: `s3:${string}` }

/** What a request to the S3 API would be told. */
export async function explainOnBucket(asked: Explaining, where: Where): Promise<ExplainedUse> {
  const { values, facts = {} } = asked
  const { copySource, renameSource, isInParts, targetKey } = facts
  if (asked.action !== WRITE && (copySource !== undefined || renameSource !== undefined || isInParts)) {
    throw new NotExplained('a copy, a rename and an upload in parts are s3:PutObject of what they make')
  }
  if (targetKey !== undefined) throw new NotExplained(ONLY_OF_KMS)
  const { use, bucket, key } = await explainAccess(asked, where, values.find('s3:versionid'))
  if (use.decision.effect === 'deny' || bucket === undefined) return use
  const refused = refusalOf(asked, bucket)
  if (refused !== undefined) return { ...use, decision: { effect: 'deny', reason: refused } }
  if (use.action === WRITE) {
    return await explainWrite(asked, { bucket, key, use }, where, {
      read: async (resource, versionId) => await explainRead({ ...asked, resource }, where, versionId),
      leave: async (action, source) =>
        (await explainAccess({ ...asked, action, resource: source }, where, undefined)).use,
    })
  }
  return await withKey(asked, { use, bucket, key }, where, values.find('s3:versionid'))
}

/** Of the source of a copy. */
async function explainRead(asked: Explaining, where: Where, versionId: string | undefined): Promise<ExplainedUse> {
  const action = versionedAction('GetObject', versionId)
  const { use, bucket, key } = await explainAccess({ ...asked, action }, where, versionId)
  if (use.decision.effect === 'deny' || bucket === undefined) return use
  return await withKey(asked, { use, bucket, key }, where, versionId)
}

interface Access {
  readonly use: ExplainedUse
  readonly bucket: OpenBucket | undefined
  readonly key: string
}

async function withKey(
  asked: Explaining,
  { use, bucket, key }: Access & { readonly bucket: OpenBucket },
  where: Where,
  versionId: string | undefined,
): Promise<ExplainedUse> {
  if (!READS.includes(use.action)) return use
  const object = await findObjectIfThere(where, bucket, key, versionId)
  const ofKey = await explainObjectKey(asked, 'kms:Decrypt', { bucket, key, kms: object?.attributes.kms }, where)
  if (ofKey === undefined) return use
  const resourcePolicies = [...use.resourcePolicies, ...ofKey.resourcePolicies]
  return { ...(ofKey.decision.effect === 'allow' ? use : ofKey), resourcePolicies }
}

/** What no policy says. */
function refusalOf({ principal, facts = {} }: Explaining, bucket: OpenBucket): RequestRefusal | undefined {
  if (isOtherOwner(bucket, facts.expectedOwner)) return 'other-bucket-owner'
  return isUnpaid(bucket, principal, facts.paysAsRequester ? 'requester' : undefined) ? 'requester-pays' : undefined
}

async function explainAccess(asked: Explaining, where: Where, versionId: string | undefined): Promise<Access> {
  const { principal, policies, resource, values } = asked
  const action: ExplainingAction['action'] = `s3:${asked.action.slice('s3:'.length)}`
  const isOnAccount = isAccountAction(action)
  const named = resource === '*' ? { bucket: '', key: '' } : parseResource(resource)
  if (named === undefined || (named.bucket === '' && !isOnAccount)) {
    throw new NotExplained('the resource of an action of S3 is arn:aws:s3:::<bucket> or arn:aws:s3:::<bucket>/<key>')
  }
  const { bucket: name, key } = named
  const bucket = isOnAccount ? undefined : await where.buckets.find(name)
  const existing = bucket && (await existingObjectOf({ policies }, where, bucket, { action, key, versionId }))
  const accountId = principal.accountId
  const decision = decideOnBucket({
    principal,
    policies,
    action,
    bucket,
    name: isOnAccount && action !== 's3:CreateBucket' ? '' : name,
    key,
    existing,
    accountId,
    values: values.of((wanted) => resourceValue(wanted, factsOf(bucket, existing, accountId))),
  })
  const policy = bucket && policyOf(bucket)
  const use: ExplainedUse = {
    decision,
    action,
    resource: resourceOf(name, key),
    resourcePolicies: policy ? [`bucket/${name}`] : [],
    resourcePolicy: isOnAccount ? 'not-asked' : bucket === undefined ? 'no-bucket' : policy ? 'asked' : 'none',
  }
  return { use, bucket, key }
}
