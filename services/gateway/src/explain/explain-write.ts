import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { KeyGuards } from '../keys/key-guards.ts'
import type { ObjectUnderKey } from '../keys/object-key-decision.ts'
import { findObjectIfThere } from '../object/find-object.ts'
import { kmsOf, sealingFor } from '../object/sealing.ts'
import { parseResource } from '../steps/s3-actions.ts'
import type { Where } from './explain-bucket.ts'
import { explainObjectKey } from './explain-object-key.ts'
import { type ExplainedUse, type Explaining, NotExplained } from './explained-use.ts'

/** Headers of a write that say the key, which are condition keys too. */
const ENCRYPTION_HEADERS = ['', '-aws-kms-key-id', '-context', '-bucket-key-enabled'].map(
  (name) => `x-amz-server-side-encryption${name}`,
)

/** Whether something may be done with the source of a write. */
export interface ExplainAccess {
  /** To read it, its key is asked too. */
  read(resource: string, versionId: string | undefined): Promise<ExplainedUse>
  leave(action: string, resource: string): Promise<ExplainedUse>
}

interface Written {
  readonly bucket: OpenBucket
  readonly key: string
  readonly use: ExplainedUse
}

/**
 * What else a write is asked, in the order in which requests are: the source of a copy or a rename, and the master keys of both. The first refusal;
 * else what allowed it, with all policies that had a word in it.
 */
export async function explainWrite(
  asked: Explaining,
  { bucket, key, use }: Written,
  where: Where,
  access: ExplainAccess,
): Promise<ExplainedUse> {
  const { copySource, renameSource, isInParts = false } = asked.facts ?? {}
  const renamed = renameSource === undefined ? undefined : await findRenamed(renameSource, bucket, where)
  const own = { bucket, key, kms: renamed ? renamed.kms : await newKey(asked, bucket, where.guards) }
  const steps: (() => Promise<ExplainedUse | undefined>)[] = []
  if (copySource !== undefined) {
    const { resource, versionId } = copySource
    steps.push(() => access.read(resource, versionId))
  }
  if (renameSource !== undefined && renamed !== undefined) {
    for (const action of ['s3:GetObject', 's3:DeleteObject']) steps.push(() => access.leave(action, renameSource))
    if (renamed.kms !== undefined) steps.push(() => explainObjectKey(asked, 'kms:Decrypt', renamed, where))
  }
  steps.push(() => explainObjectKey(asked, 'kms:GenerateDataKey', own, where))
  if (isInParts) steps.push(() => explainObjectKey(asked, 'kms:Decrypt', own, where))
  const resourcePolicies = new Set(use.resourcePolicies)
  for (const step of steps) {
    const done = await step()
    for (const policy of done?.resourcePolicies ?? []) resourcePolicies.add(policy)
    if (done?.decision.effect === 'deny') return { ...done, resourcePolicies: [...resourcePolicies] }
  }
  return { ...use, resourcePolicies: [...resourcePolicies] }
}

/** NotExplained: S3 renames within a bucket. */
async function findRenamed(resource: string, bucket: OpenBucket, where: Where): Promise<ObjectUnderKey> {
  const named = parseResource(resource)
  if (named?.bucket !== bucket.record.name || named.key === '') {
    throw new NotExplained('what is renamed is an object of the same bucket, arn:aws:s3:::<bucket>/<key>')
  }
  const object = await findObjectIfThere(where, bucket, named.key, undefined)
  return { bucket, key: named.key, kms: object?.attributes.kms }
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
