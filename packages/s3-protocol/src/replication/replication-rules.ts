import type { Tags } from '../object-tags.ts'

/** Which objects a rule is about: those that all of this fits (S3 API, ReplicationRuleFilter). */
export interface ReplicationFilter {
  readonly prefix?: string
  readonly tags?: Tags
}

export interface ReplicationDestinationRule {
  /** ARN of the bucket; the operator's configuration says where that is. */
  readonly bucket: string
  readonly storageClass?: string
  /** The key that replicas of objects with SSE-KMS are encrypted with there. */
  readonly replicaKmsKeyId?: string
  /** Whose bucket it has to be there. */
  readonly account?: string
  /** Replicas are the destination's owner's; with their own access control lists. */
  readonly overridesOwner?: true
  /** Whether delivery in 15 minutes is wanted; absent: not said. Deliveries are as fast without; with it who listens is told of late ones. */
  readonly time?: boolean
  /** Whether metrics and events of replication are wanted; absent: not said. */
  readonly metrics?: { readonly isEnabled: boolean; readonly hasThreshold: boolean }
}

export interface ReplicationRule {
  /** At most 255 characters, unique in its configuration. */
  readonly id: string
  /** Of two rules for one destination that an object fits, the one with the larger number counts. */
  readonly priority: number
  readonly isEnabled: boolean
  /** Absent: the rule has the `prefix` of the older form, which replicates delete markers. */
  readonly filter?: ReplicationFilter
  readonly prefix?: string
  readonly deleteMarkers: boolean
  /** Whether the job for existing objects takes them; absent: it was not said, and it does. */
  readonly existingObjects?: boolean
  /** Whether objects with SSE-KMS are replicated; absent: it was not said, and they are not. */
  readonly kmsObjects?: boolean
  /** Whether what is changed of a replica goes back to where it came from; absent: it was not said, and does not. */
  readonly replicaModifications?: boolean
  readonly destination: ReplicationDestinationRule
}

/** What PutBucketReplication sets. */
export interface ReplicationConfiguration {
  readonly role: string
  readonly rules: readonly ReplicationRule[]
}

/** What a rule can ask of a version. */
export interface ReplicatedObject {
  readonly key: string
  readonly tags: Tags | undefined
  readonly isDeleteMarker: boolean
  readonly isKms: boolean
}

/** The rules that replicate a version, one for each destination (S3 User Guide, "Replication configuration": priority). */
export function replicationRulesFor(
  { rules }: ReplicationConfiguration,
  object: ReplicatedObject,
): readonly ReplicationRule[] {
  const chosen = new Map<string, ReplicationRule>()
  for (const rule of rules) {
    if (!rule.isEnabled || !fits(rule, object)) continue
    const other = chosen.get(rule.destination.bucket)
    if (other === undefined || other.priority < rule.priority) chosen.set(rule.destination.bucket, rule)
  }
  return [...chosen.values()].filter((rule) => isWanted(rule, object))
}

/** The rule that takes changes of a replica back to the bucket that it came from; by name, as its ARN has it. */
export function replicaModificationRule(
  { rules }: ReplicationConfiguration,
  { key, tags, source }: { readonly key: string; readonly tags: Tags | undefined; readonly source: string },
): ReplicationRule | undefined {
  const object = { key, tags, isDeleteMarker: false, isKms: false }
  return rules.find(
    (rule) =>
      rule.isEnabled &&
      rule.replicaModifications === true &&
      rule.destination.bucket.endsWith(`:::${source}`) &&
      fits(rule, object),
  )
}

function fits({ filter, prefix }: ReplicationRule, { key, tags = {}, isDeleteMarker }: ReplicatedObject): boolean {
  if (!key.startsWith(filter?.prefix ?? prefix ?? '')) return false
  const wanted = Object.entries(filter?.tags ?? {})
  if (isDeleteMarker) return wanted.length === 0
  return wanted.every(([name, value]) => Object.hasOwn(tags, name) && tags[name] === value)
}

function isWanted(rule: ReplicationRule, { isDeleteMarker, isKms }: ReplicatedObject): boolean {
  if (isDeleteMarker) return rule.deleteMarkers
  return !isKms || rule.kmsObjects === true
}
