import type { MetadataKey } from '@coffer/crypto-core'
import type { BucketRecord, OutboxEvent, VersionId } from '@coffer/metadata-store'
import { type ReplicationConfiguration, type ReplicationRule, replicationRulesFor } from '@coffer/s3-protocol'
import type { ObjectAttributes } from './object-attributes.ts'
import { sealBucketMessage } from './object-event.ts'

type Outcome = 'PENDING' | 'COMPLETED' | 'FAILED'

/** How far a version is replicated to each destination, by its ARN; or that it is a replica itself. */
export type ReplicationState =
  | { readonly isReplica: true }
  | { readonly destinations: Readonly<Record<string, { readonly outcome: Outcome; readonly versionId?: string }>> }

/** One thing to be done at a destination: what a rule said when it was committed. */
export interface ReplicationTask {
  readonly what: 'object' | 'tags' | 'delete-marker'
  /** ARN of its bucket. */
  readonly destination: string
  readonly key: string
  readonly versionId: VersionId
  /** Asked for after it was committed: sent while it is the newest version, so that it takes no newer one's place there. */
  readonly onlyIfLatest?: true
  readonly storageClass?: string
  readonly replicaKmsKeyId?: string
}

interface OpenedBucket {
  readonly record: BucketRecord
  readonly metadataKey: MetadataKey
}

const QUEUE = 'replication/'

/** Entries wait there for one destination. */
export function queueOfDestination(arn: string): string {
  return QUEUE + arn
}

/** Undefined: it is no queue of replication. */
export function destinationOf(queue: string): string | undefined {
  return queue.startsWith(QUEUE) ? queue.slice(QUEUE.length) : undefined
}

/** x-amz-replication-status: one failure counts for all, and all have to be completed (S3 User Guide, "Replication status"). */
export function replicationStatusOf(state: ReplicationState | undefined): Outcome | 'REPLICA' | undefined {
  if (state === undefined) return undefined
  if ('isReplica' in state) return 'REPLICA'
  const outcomes = Object.values(state.destinations).map(({ outcome }) => outcome)
  return (['FAILED', 'PENDING', 'COMPLETED'] as const).find((outcome) => outcomes.includes(outcome))
}

/**
 * What a new version begins with, and the entries of the outbox that replicate it. A replica goes nowhere else: so two stores can
 * replicate to each other. SSE-C fails at once: nobody here has the key. `attributes` undefined: a delete marker.
 */
export function planReplication(
  bucket: OpenedBucket,
  configuration: ReplicationConfiguration | undefined,
  version: { readonly key: string; readonly versionId: VersionId; readonly isReplica: boolean },
  attributes: Pick<ObjectAttributes, 'sse' | 'headers'> | undefined,
): { readonly state?: ReplicationState; readonly events: readonly OutboxEvent[] } {
  if (version.isReplica) return { state: { isReplica: true }, events: [] }
  if (configuration === undefined) return { events: [] }
  const rules = replicationRulesFor(configuration, {
    key: version.key,
    tags: attributes?.headers.tags,
    isDeleteMarker: attributes === undefined,
    isKms: attributes?.sse === 'SSE-KMS' || attributes?.sse === 'DSSE-KMS',
  })
  if (rules.length === 0) return { events: [] }
  const isPossible = attributes?.sse !== 'SSE-C'
  const outcome = isPossible ? 'PENDING' : 'FAILED'
  const what = attributes === undefined ? 'delete-marker' : 'object'
  return {
    state: { destinations: Object.fromEntries(rules.map(({ destination }) => [destination.bucket, { outcome }])) },
    events: isPossible ? rules.map((rule) => entryOf(bucket, rule, { ...version, what })) : [],
  }
}

/**
 * The same for a version that was there before the rules, or has failed: to the destinations where it neither is nor waits.
 * Undefined: there are none, or it can't be replicated.
 */
export function planLateReplication(
  bucket: OpenedBucket,
  configuration: ReplicationConfiguration,
  { key, versionId }: { readonly key: string; readonly versionId: VersionId },
  { sse, headers, replication }: ObjectAttributes,
): { readonly state: ReplicationState; readonly events: readonly OutboxEvent[] } | undefined {
  if (sse === 'SSE-C' || (replication !== undefined && 'isReplica' in replication)) return undefined
  const known = replication?.destinations ?? {}
  const isKms = sse === 'SSE-KMS' || sse === 'DSSE-KMS'
  const due = replicationRulesFor(configuration, { key, tags: headers.tags, isDeleteMarker: false, isKms }).filter(
    ({ existingObjects, destination }) => {
      const outcome = known[destination.bucket]?.outcome
      return outcome === 'FAILED' || (outcome === undefined && existingObjects !== false)
    },
  )
  if (due.length === 0) return undefined
  const pending = due.map(({ destination }) => [destination.bucket, { outcome: 'PENDING' as const }] as const)
  return {
    state: { destinations: { ...known, ...Object.fromEntries(pending) } },
    events: due.map((rule) => entryOf(bucket, rule, { what: 'object', key, versionId, onlyIfLatest: true })),
  }
}

/** The tags of a version that was replicated go after it; where it has not arrived, they come with it. */
export function tagReplication(
  bucket: OpenedBucket,
  { key, versionId }: { readonly key: string; readonly versionId: VersionId },
  state: ReplicationState | undefined,
): readonly OutboxEvent[] {
  if (state === undefined || 'isReplica' in state) return []
  return Object.entries(state.destinations)
    .filter(([, { outcome }]) => outcome !== 'FAILED')
    .map(([destination]) => seal(bucket, { what: 'tags', destination, key, versionId }))
}

/** The state after what became of one destination; undefined: it is not for this one. */
export function withReplicationOutcome(
  state: ReplicationState | undefined,
  destination: string,
  result: { readonly outcome: Outcome; readonly versionId?: string },
): ReplicationState | undefined {
  if (state === undefined || 'isReplica' in state || !Object.hasOwn(state.destinations, destination)) return undefined
  return { destinations: { ...state.destinations, [destination]: result } }
}

function entryOf(
  bucket: OpenedBucket,
  { destination: { bucket: destination, storageClass, replicaKmsKeyId } }: ReplicationRule,
  { what, key, versionId, onlyIfLatest }: Pick<ReplicationTask, 'what' | 'key' | 'versionId' | 'onlyIfLatest'>,
): OutboxEvent {
  return seal(bucket, {
    ...{ what, destination, key, versionId },
    ...(onlyIfLatest && { onlyIfLatest }),
    ...(storageClass !== undefined && { storageClass }),
    ...(replicaKmsKeyId !== undefined && { replicaKmsKeyId }),
  })
}

function seal({ metadataKey, record }: OpenedBucket, task: ReplicationTask): OutboxEvent {
  return sealBucketMessage(metadataKey, record, queueOfDestination(task.destination), { kind: 'replicate', ...task })
}
