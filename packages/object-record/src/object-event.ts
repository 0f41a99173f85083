import { encodeFields, type MetadataKey } from '@coffer/crypto-core'
import type { BucketRecord, OutboxEvent } from '@coffer/metadata-store'
import { eventMatches, type KeyFilter, keyMatches, type ObjectEvent, targetsOf } from '@coffer/s3-protocol'
import type { BucketRules } from './bucket-record.ts'
import type { ReplicationTask } from './replication.ts'

/** Who listens to a bucket at the moment (ListenBucketNotification): a queue of its own, for as long as it is renewed. */
export interface BucketListener {
  readonly id: string
  readonly untilAt: number
  readonly events: readonly string[]
  readonly filter?: KeyFilter
}

/** What an entry of the outbox holds: an event of an object, a version to be replicated, or the test message of a new configuration. */
export type BucketMessage =
  | { readonly kind: 'object'; readonly configurationId: string; readonly event: ObjectEvent }
  | ({ readonly kind: 'replicate' } & ReplicationTask)
  | { readonly kind: 'test'; readonly bucket: string; readonly at: number; readonly requestId: string }

/** An outbox entry's payload, of which the bucket is clear: it says which key opens the rest. */
export interface BucketMessageEnvelope {
  readonly bucket: Pick<BucketRecord, 'name' | 'id' | 'wrappedMetadataKey'>
  readonly sealed: Uint8Array
}

const FORMAT = 1
const ID_BYTES = 16
const LISTENER_QUEUE = 'live/'

export function queueOfListener(id: string): string {
  return LISTENER_QUEUE + id
}

export function isListenerQueue(queue: string): boolean {
  return queue.startsWith(LISTENER_QUEUE)
}

/**
 * The outbox entries of something that happened to an object: one for each target that the bucket's rules name, and for each
 * listener. Undefined where nobody wants to know, which is found out without any work.
 */
export function objectEvents(
  bucket: { readonly record: BucketRecord; readonly metadataKey: MetadataKey },
  { notifications, listeners }: BucketRules,
  eventOf: () => ObjectEvent,
): readonly OutboxEvent[] | undefined {
  if (notifications === undefined && listeners === undefined) return undefined
  const event = eventOf()
  const { key } = event.object
  const seal = (queue: string, configurationId: string) =>
    sealBucketMessage(bucket.metadataKey, bucket.record, queue, { kind: 'object', configurationId, event })
  const rules = notifications ? targetsOf(notifications, event.name, key) : []
  const live = (listeners ?? []).filter(
    ({ untilAt, events, filter }) => untilAt > event.at && eventMatches(events, event.name) && keyMatches(filter, key),
  )
  return [
    ...rules.map(({ target, configurationId }) => seal(target, configurationId)),
    ...live.map(({ id }) => seal(queueOfListener(id), 'listen')),
  ]
}

/**
 * Seals a message under the bucket's metadata key, for one queue. The key goes along as the KMS wraps it: the bucket may be
 * gone when the message is delivered.
 */
export function sealBucketMessage(
  metadataKey: MetadataKey,
  { name, id, wrappedMetadataKey }: BucketMessageEnvelope['bucket'],
  queue: string,
  message: BucketMessage,
): OutboxEvent {
  const sealed = metadataKey.sealRecord(Buffer.from(JSON.stringify(message)), boundTo(queue, name, id))
  const nameBytes = Buffer.from(name)
  const head = Buffer.alloc(1 + 2 + 2)
  head.writeUInt8(FORMAT, 0)
  head.writeUInt16BE(nameBytes.length, 1)
  head.writeUInt16BE(wrappedMetadataKey.length, 3)
  return { queue, payload: Buffer.concat([head, nameBytes, Buffer.from(id, 'hex'), wrappedMetadataKey, sealed]) }
}

/** Undefined: it is none of ours. */
export function parseBucketMessage(payload: Uint8Array): BucketMessageEnvelope | undefined {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  if (bytes.length < 5 || bytes[0] !== FORMAT) return undefined
  const idAt = 5 + bytes.readUInt16BE(1)
  const keyAt = idAt + ID_BYTES
  const sealedAt = keyAt + bytes.readUInt16BE(3)
  if (sealedAt >= bytes.length) return undefined
  return {
    bucket: {
      name: bytes.toString('utf8', 5, idAt),
      id: bytes.toString('hex', idAt, keyAt),
      wrappedMetadataKey: bytes.subarray(keyAt, sealedAt),
    },
    sealed: bytes.subarray(sealedAt),
  }
}

/** CRYPTO_RECORD_DAMAGED: also where it was sealed for another queue. */
export function openBucketMessage(
  metadataKey: MetadataKey,
  { bucket, sealed }: BucketMessageEnvelope,
  queue: string,
): BucketMessage {
  const plain = metadataKey.openRecord(sealed, boundTo(queue, bucket.name, bucket.id))
  return JSON.parse(plain.toString()) as BucketMessage
}

function boundTo(queue: string, name: string, id: string): Uint8Array {
  return encodeFields('event', queue, name, id)
}
