import type { MetadataService } from '@coffer/contracts'
import type { BucketCache, OpenBucket } from '../bucket/bucket-cache.ts'
import { policyOf } from '../bucket/bucket-policy.ts'
import type { KeyGuards } from '../keys/key-guards.ts'
import { decideOnObjectKey } from '../keys/object-key-decision.ts'
import { findObjectIfThere } from '../object/find-object.ts'
import { decideOnBucket } from '../steps/bucket-decision.ts'
import { resourceValue } from '../steps/condition-values.ts'
import { existingObjectOf, factsOf } from '../steps/permission.ts'
import { isAccountAction, parseResource, resourceOf } from '../steps/s3-actions.ts'
import { type ExplainedUse, type Explaining, NotExplained } from './explained-use.ts'

/** What reads an object, and so needs its key. */
const READS: readonly string[] = ['s3:GetObject', 's3:GetObjectVersion']

interface Where {
  readonly metadata: MetadataService
  readonly buckets: Pick<BucketCache, 'find'>
  readonly guards: KeyGuards
  readonly region: string
}

type ExplainingAction = Explaining & { readonly action: `s3:${string}` }

/** What a request to the S3 API would be told. */
export async function explainOnBucket(asked: Explaining, where: Where): Promise<ExplainedUse> {
  const { principal, policies, resource, values } = asked
  const action: ExplainingAction['action'] = `s3:${asked.action.slice('s3:'.length)}`
  const isOnAccount = isAccountAction(action)
  const named = resource === '*' ? { bucket: '', key: '' } : parseResource(resource)
  if (named === undefined || (named.bucket === '' && !isOnAccount)) {
    throw new NotExplained('the resource of an action of S3 is arn:aws:s3:::<bucket> or arn:aws:s3:::<bucket>/<key>')
  }
  const { bucket: name, key } = named
  const bucket = isOnAccount ? undefined : await where.buckets.find(name)
  const versionId = values.find('s3:versionid')
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
  if (decision.effect === 'deny' || bucket === undefined || !READS.includes(action)) return use
  return (await explainOnObjectKey(asked, bucket, key, use, where)) ?? use
}

/** Undefined: the object is under no key that has to be asked about, or is not there. */
async function explainOnObjectKey(
  { principal, policies, values }: Explaining,
  bucket: OpenBucket,
  key: string,
  use: ExplainedUse,
  where: Where,
): Promise<ExplainedUse | undefined> {
  const object = await findObjectIfThere(where, bucket, key, values.find('s3:versionid'))
  if (object === undefined) return undefined
  const action = 'kms:Decrypt'
  const valuesOf = (ownerAccountId: string) => values.of((name) => resourceValue(name, { accountId: ownerAccountId }))
  const asker = { principal, policies, action, values: valuesOf } as const
  const decided = await decideOnObjectKey(asker, { bucket, key, kms: object.attributes.kms }, where)
  if (decided === undefined) return undefined
  const { decision, keyArn } = decided
  const resourcePolicies = [...use.resourcePolicies, keyArn]
  return decision.effect === 'allow'
    ? { ...use, resourcePolicies }
    : { decision, action, resource: keyArn, resourcePolicies, resourcePolicy: 'asked' }
}
