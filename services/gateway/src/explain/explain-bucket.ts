import type { MetadataService } from '@coffer/contracts'
import type { BucketCache, OpenBucket } from '../bucket/bucket-cache.ts'
import { policyOf } from '../bucket/bucket-policy.ts'
import type { KeyGuards } from '../keys/key-guards.ts'
import { decideOnObjectKey, type ObjectUnderKey } from '../keys/object-key-decision.ts'
import { findObjectIfThere } from '../object/find-object.ts'
import { kmsOf, sealingFor } from '../object/sealing.ts'
import { decideOnBucket } from '../steps/bucket-decision.ts'
import { resourceValue } from '../steps/condition-values.ts'
import { existingObjectOf, factsOf } from '../steps/permission.ts'
import { isAccountAction, parseResource, resourceOf } from '../steps/s3-actions.ts'
import { type ExplainedUse, type Explaining, NotExplained } from './explained-use.ts'

/** What reads an object, and so needs its key; and what makes one, and so needs one of the key that it will be under. */
const READS: readonly string[] = ['s3:GetObject', 's3:GetObjectVersion']
const WRITE = 's3:PutObject'
/** Headers of a write that say the key, which are condition keys too. */
const ENCRYPTION_HEADERS = ['', '-aws-kms-key-id', '-context', '-bucket-key-enabled'].map(
  (name) => `x-amz-server-side-encryption${name}`,
)

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
  if (decision.effect === 'deny' || bucket === undefined) return use
  if (action === WRITE) {
    const kms = await newKey(asked, bucket, where.guards)
    return (await explainOnObjectKey(asked, { bucket, key, kms }, use, where)) ?? use
  }
  if (!READS.includes(action)) return use
  const object = await findObjectIfThere(where, bucket, key, versionId)
  return (await explainOnObjectKey(asked, { bucket, key, kms: object?.attributes.kms }, use, where)) ?? use
}

/** By what the request says, or else its bucket. */
async function newKey(
  { principal, values }: Explaining,
  bucket: OpenBucket,
  guards: KeyGuards,
): Promise<ObjectUnderKey['kms']> {
  const headers = Object.fromEntries(ENCRYPTION_HEADERS.map((name) => [name, values.find(`s3:${name}`)] as const))
  return kmsOf(await sealingFor({ principal, parsed: { headers, secure: true } }, bucket, guards))
}

/** Undefined: the object is under no key that has to be asked about. */
async function explainOnObjectKey(
  { principal, policies, values }: Explaining,
  object: ObjectUnderKey,
  use: ExplainedUse,
  where: Where,
): Promise<ExplainedUse | undefined> {
  const action = use.action === WRITE ? 'kms:GenerateDataKey' : 'kms:Decrypt'
  const valuesOf = (ownerAccountId: string) => values.of((name) => resourceValue(name, { accountId: ownerAccountId }))
  const asker = { principal, policies, action, values: valuesOf } as const
  const decided = await decideOnObjectKey(asker, object, where)
  if (decided === undefined) return undefined
  const { decision, keyArn } = decided
  const resourcePolicies = [...use.resourcePolicies, keyArn]
  return decision.effect === 'allow'
    ? { ...use, resourcePolicies }
    : { decision, action, resource: keyArn, resourcePolicies, resourcePolicy: 'asked' }
}
