/** What may be asked for. Source: S3 User Guide, "Supported event types for SQS, SNS, and Lambda". */
const KNOWN = [
  's3:ObjectCreated:Put',
  's3:ObjectCreated:Post',
  's3:ObjectCreated:Copy',
  's3:ObjectCreated:CompleteMultipartUpload',
  's3:ObjectRemoved:Delete',
  's3:ObjectRemoved:DeleteMarkerCreated',
  's3:ObjectRestore:Post',
  's3:ObjectRestore:Completed',
  's3:ObjectRestore:Delete',
  's3:ReducedRedundancyLostObject',
  's3:Replication:OperationFailedReplication',
  's3:Replication:OperationMissedThreshold',
  's3:Replication:OperationReplicatedAfterThreshold',
  's3:Replication:OperationNotTracked',
  's3:LifecycleExpiration:Delete',
  's3:LifecycleExpiration:DeleteMarkerCreated',
  's3:LifecycleTransition',
  's3:IntelligentTiering',
  's3:ObjectTagging:Put',
  's3:ObjectTagging:Delete',
  's3:ObjectAcl:Put',
] as const

/** What Coffer tells of. The rest of what AWS knows may be asked for and never happens here. */
export type ObjectEventName = Extract<
  (typeof KNOWN)[number],
  | `s3:ObjectCreated:${string}`
  | `s3:ObjectRemoved:${string}`
  | `s3:LifecycleExpiration:${string}`
  | 's3:LifecycleTransition'
  | `s3:Replication:${string}`
  | `s3:Object${'Tagging' | 'Acl'}:${string}`
>

const WILDCARD = ':*'

/** The events that a name or a wildcard (`s3:ObjectCreated:*`) stands for; none where AWS has no such event. */
export function eventsNamed(pattern: string): readonly string[] {
  if (!pattern.endsWith(WILDCARD)) return KNOWN.filter((name) => name === pattern)
  const start = pattern.slice(0, -1)
  // `s3:*` is none: a wildcard stands for the last part only.
  return start.split(':').length === 3 ? KNOWN.filter((name) => name.startsWith(start)) : []
}

export function eventMatches(patterns: readonly string[], event: string): boolean {
  return patterns.some(
    (pattern) => pattern === event || (pattern.endsWith(WILDCARD) && event.startsWith(pattern.slice(0, -1))),
  )
}
