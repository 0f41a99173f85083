export { type BucketRules, openBucketRecord, type SealedBucketFields, sealBucketRecord } from './bucket-record.ts'
export { deleteMarkerOver } from './delete-marker.ts'
export * from './object-attributes.ts'
export {
  type BucketListener,
  type BucketMessage,
  type BucketMessageEnvelope,
  isListenerQueue,
  objectEvents,
  openBucketMessage,
  parseBucketMessage,
  queueOfListener,
  sealBucketMessage,
} from './object-event.ts'
export { isLocked, mayReplaceRetention } from './object-lock.ts'
export { replaceObjectKey, sealContextOf } from './replace-object-key.ts'
export {
  type ChangedAttribute,
  type ChangeMade,
  changeReplication,
  destinationOf,
  isReplicaOf,
  isTimeControlled,
  planLateReplication,
  planReplication,
  queueOfDestination,
  type ReplicaSource,
  type ReplicationState,
  type ReplicationTask,
  replicationStatusOf,
  withLateReplication,
  withReplicationOutcome,
} from './replication.ts'
export { listedStorageClass, openSummaries, sealSummary } from './summary.ts'
export * from './upload-record.ts'
export { newVersionId } from './version-id.ts'
