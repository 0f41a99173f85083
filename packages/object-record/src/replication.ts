import type { MetadataKey } from '@coffer/crypto-core'
import type { BucketRecord, OutboxEvent, VersionId } from '@coffer/metadata-store'
import {
  type ReplicationConfiguration,
  type ReplicationRule,
  replicaModificationRule,
  replicationRulesFor,
} from '@coffer/s3-protocol'
import type { ObjectAcl, ObjectAttributes } from './object-attributes.ts'
import { sealBucketMessage } from './object-event.ts'

type Outcome = 'PENDING' | 'COMPLETED' | 'FAILED'

/** What a rule says of whose replicas are. */
interface ReplicaOwner {
  /** Whose bucket it has to be there. */
  readonly account?: string
  /** Access control lists stay behind. */
  readonly overridesOwner?: true
}

interface DestinationState extends ReplicaOwner {
  readonly outcome: Outcome
  /** There. */
  readonly versionId?: string
  /** Who listens was told that it takes longer than Replication Time Control has it. */
  readonly isLate?: true
}

/** The version that a replica is of, as the store that it came from names it. */
export interface ReplicaSource {
  readonly bucket: string
  readonly versionId: string
}

/** How far a version is replicated to each destination, by its ARN; or that it is a replica itself, and of what where that was said. */
export type ReplicationState =
  | { readonly isReplica: true; readonly source?: ReplicaSource }
  | { readonly destinations: Readonly<Record<string, DestinationState>> }

/** What may be changed of a version that is there. */
export type ChangedAttribute = 'tags' | 'retention' | 'legal-hold' | 'acl'

/** A change of a version that is there, and how it was made. */
export interface ChangeMade {
  readonly what: ChangedAttribute
  /** It came from a store that replicates to this one. */
  readonly isReplica: boolean
  /** The version there that it was made of, where that was said. */
  readonly replicaVersionId?: string
  /** Of retention: by who passed over governance. */
  readonly bypassGovernance?: true
}

/** One thing to be done at a destination: what a rule said when it was committed. */
export interface ReplicationTask extends ReplicaOwner {
  readonly what: 'object' | 'delete-marker' | ChangedAttribute
  /** ARN of its bucket. */
  readonly destination: string
  readonly key: string
  readonly versionId: VersionId
  /** Asked for after it was committed: sent while it is the newest version, so that it takes no newer one's place there. */
  readonly onlyIfLatest?: true
  /** Of a rule with Replication Time Control: who listens is told where it takes longer. */
  readonly timeControl?: true
  readonly storageClass?: string
  readonly replicaKmsKeyId?: string
  /** Of a replica: the version that it came from, which the change goes back to. */
  readonly sourceVersionId?: string
  /** Of retention: who changed it may pass over governance here, so that it may be passed over there. */
  readonly bypassGovernance?: true
}

interface PlannedVersion {
  readonly key: string
  readonly versionId: VersionId
  readonly sizeBytes: number
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
  version: PlannedVersion & { readonly replicaOf?: ReplicaSource | 'unknown' },
  attributes: Pick<ObjectAttributes, 'sse' | 'headers' | 'acl'> | undefined,
): { readonly state?: ReplicationState; readonly events: readonly OutboxEvent[] } {
  const { replicaOf } = version
  if (replicaOf !== undefined) {
    return { state: { isReplica: true, ...(replicaOf !== 'unknown' && { source: replicaOf }) }, events: [] }
  }
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
    state: { destinations: Object.fromEntries(rules.map((rule) => stateOf(rule, outcome))) },
    events: isPossible ? rules.flatMap((rule) => entriesOf(bucket, rule, { ...version, what }, attributes?.acl)) : [],
  }
}

/**
 * The same for a version that was there before the rules, or has failed: to the destinations where it neither is nor waits.
 * Undefined: there are none, or it can't be replicated.
 */
export function planLateReplication(
  bucket: OpenedBucket,
  configuration: ReplicationConfiguration,
  { key, versionId, sizeBytes }: PlannedVersion,
  { sse, headers, replication, acl }: ObjectAttributes,
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
  const pending = due.map((rule) => stateOf(rule, 'PENDING'))
  return {
    state: { destinations: { ...known, ...Object.fromEntries(pending) } },
    events: due.flatMap((rule) =>
      entriesOf(bucket, rule, { what: 'object', key, versionId, sizeBytes, onlyIfLatest: true }, acl),
    ),
  }
}

/**
 * What is changed of a version that was replicated goes after it; where it has not arrived, it comes with it. What is changed of a
 * replica goes back where a rule wants that. A change that itself came from another store goes nowhere: `isReplica`.
 */
export function changeReplication(
  bucket: OpenedBucket,
  configuration: ReplicationConfiguration | undefined,
  { key, versionId }: { readonly key: string; readonly versionId: VersionId },
  { headers, replication: state }: Pick<ObjectAttributes, 'headers' | 'replication'>,
  { what, isReplica, bypassGovernance }: ChangeMade,
): readonly OutboxEvent[] {
  if (state === undefined || isReplica) return []
  const bypass = bypassGovernance && { bypassGovernance }
  if ('isReplica' in state) {
    const rule =
      state.source &&
      configuration &&
      replicaModificationRule(configuration, { key, tags: headers.tags, source: state.source.bucket })
    if (rule === undefined || (what === 'acl' && rule.destination.overridesOwner)) return []
    const sourceVersionId = state.source?.versionId ?? ''
    const destination = rule.destination.bucket
    return [seal(bucket, { what, destination, key, versionId, sourceVersionId, ...ownerOf(rule), ...bypass })]
  }
  return Object.entries(state.destinations)
    .filter(([, { outcome, overridesOwner }]) => outcome !== 'FAILED' && !(what === 'acl' && overridesOwner))
    .map(([destination, { account }]) =>
      seal(bucket, { what, destination, key, versionId, ...(account !== undefined && { account }), ...bypass }),
    )
}

/** Whether a change that comes back may be of this version: of no other replica than the one that this store has made of it. */
export function isReplicaOf(state: ReplicationState | undefined, replicaVersionId: string): boolean {
  if (state === undefined || 'isReplica' in state) return false
  return Object.values(state.destinations).some(({ versionId }) => versionId === replicaVersionId)
}

/** The state after what became of one destination; undefined: it is not for this one. */
export function withReplicationOutcome(
  state: ReplicationState | undefined,
  destination: string,
  result: { readonly outcome: Outcome; readonly versionId?: string },
): ReplicationState | undefined {
  if (state === undefined || 'isReplica' in state || !Object.hasOwn(state.destinations, destination)) return undefined
  const known: DestinationState = state.destinations[destination] ?? result
  const { outcome: _, versionId: __, isLate: ___, ...owner } = known
  return { destinations: { ...state.destinations, [destination]: { ...owner, ...result } } }
}

/** The state after it was told that a version is late at one destination; undefined: it is there, has failed, or that was told. */
export function withLateReplication(
  state: ReplicationState | undefined,
  destination: string,
): ReplicationState | undefined {
  if (state === undefined || 'isReplica' in state || !Object.hasOwn(state.destinations, destination)) return undefined
  const known = state.destinations[destination]
  if (known?.outcome !== 'PENDING' || known.isLate) return undefined
  return { destinations: { ...state.destinations, [destination]: { ...known, isLate: true } } }
}

/** Whether versions for a destination are still delivered by a rule with Replication Time Control. */
export function isTimeControlled(configuration: ReplicationConfiguration | undefined, destinationArn: string): boolean {
  const rules = configuration?.rules ?? []
  return rules.some(
    ({ isEnabled, destination: { bucket, time } }) => isEnabled && time === true && bucket === destinationArn,
  )
}

function stateOf(rule: ReplicationRule, outcome: Outcome): [destination: string, state: DestinationState] {
  return [rule.destination.bucket, { outcome, ...ownerOf(rule) }]
}

function ownerOf({ destination: { account, overridesOwner } }: ReplicationRule): ReplicaOwner {
  return { ...(account !== undefined && { account }), ...(overridesOwner && { overridesOwner }) }
}

/** A list that lets in groups comes after its object: it can't be sent with it, as the other store's owner is not known. */
function entriesOf(
  bucket: OpenedBucket,
  rule: ReplicationRule,
  { what, key, versionId, sizeBytes, onlyIfLatest }: PlannedVersion & Pick<ReplicationTask, 'what' | 'onlyIfLatest'>,
  acl: ObjectAcl | undefined,
): readonly OutboxEvent[] {
  const { bucket: destination, storageClass, replicaKmsKeyId, overridesOwner } = rule.destination
  const place = { destination, key, versionId, ...ownerOf(rule) }
  // S3 User Guide, "Meeting compliance requirements with S3 RTC": neither delete markers nor what was there before the rule.
  const isTimed = rule.destination.time === true && what === 'object' && !onlyIfLatest
  const letsInGroups = !overridesOwner && acl?.grants?.some(({ grantee }) => 'uri' in grantee)
  return [
    seal(
      bucket,
      {
        ...{ what, ...place },
        ...(onlyIfLatest && { onlyIfLatest }),
        ...(isTimed && { timeControl: true as const }),
        ...(storageClass !== undefined && { storageClass }),
        ...(replicaKmsKeyId !== undefined && { replicaKmsKeyId }),
      },
      sizeBytes,
    ),
    ...(letsInGroups ? [seal(bucket, { what: 'acl', ...place })] : []),
  ]
}

/** `weightBytes`: of object data that is to be sent. */
function seal({ metadataKey, record }: OpenedBucket, task: ReplicationTask, weightBytes = 0): OutboxEvent {
  const queue = queueOfDestination(task.destination)
  return { ...sealBucketMessage(metadataKey, record, queue, { kind: 'replicate', ...task }), weightBytes }
}
