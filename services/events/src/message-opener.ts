import { MetadataKey } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { EventMessage } from '@coffer/event-targets'
import type { Mesh } from '@coffer/mesh'
import type { OutboxEntry } from '@coffer/metadata-store'
import {
  type BucketMessage,
  type BucketMessageEnvelope,
  openBucketMessage,
  parseBucketMessage,
} from '@coffer/object-record'
import { renderEventRecord } from '@coffer/s3-protocol'
import { parseTraceParent, type TraceParent } from '@coffer/tracing'

const KEYS_MAX = 10_000
const TEST_EVENT = 's3:TestEvent'

/** An entry of the outbox, opened. */
export interface OpenedMessage extends EventMessage {
  /** The bucket's owner when it happened; undefined of a test message. */
  readonly ownerAccountId?: string
  readonly bucketId: string
  /** The request that caused it, where its trace is kept. */
  readonly cause?: TraceParent
}

/** Opens what gateways sealed into the outbox, with the metadata keys of the buckets, which are opened once each. */
export class MessageOpener {
  readonly #mesh: Mesh
  readonly #keys = new Map<string, MetadataKey>()

  constructor(mesh: Mesh) {
    this.#mesh = mesh
  }

  /** Undefined: it is damaged, or nothing opens it any more. Other failures (the KMS is away) pass. */
  async open(queue: string, entry: OutboxEntry): Promise<OpenedMessage | undefined> {
    const envelope = parseBucketMessage(entry.payload)
    if (envelope === undefined) return undefined
    try {
      return this.#messageOf(entry, envelope, openBucketMessage(await this.#keyOf(envelope.bucket), envelope, queue))
    } catch (error) {
      const isLost = isCofferError(error) && (error.code.startsWith('CRYPTO_') || error.code === 'KMS_KEY_NOT_FOUND')
      if (isLost) return undefined
      throw error
    }
  }

  #messageOf(entry: OutboxEntry, { bucket }: BucketMessageEnvelope, message: BucketMessage): OpenedMessage | undefined {
    const { id: entryId, createdAt } = entry
    const shared = { id: `${bucket.id}-${entryId}`, createdAt, bucket: bucket.name, bucketId: bucket.id }
    if (message.kind === 'object') {
      const { event, configurationId } = message
      const record = renderEventRecord(event, configurationId, entryId.toUpperCase())
      const body = JSON.stringify({ Records: [record] })
      const { ownerId: ownerAccountId } = event.bucket
      const cause = event.request?.traceparent === undefined ? undefined : parseTraceParent(event.request.traceparent)
      const opened = { ...shared, ownerAccountId, eventName: event.name, key: event.object.key, body }
      return cause === undefined ? opened : { ...opened, cause }
    }
    // In a queue that is no target's: of replication.
    if (message.kind === 'replicate') return undefined
    const body = JSON.stringify({
      Service: 'Amazon S3',
      Event: TEST_EVENT,
      Time: new Date(message.at).toISOString(),
      Bucket: message.bucket,
      RequestId: message.requestId,
      HostId: 'coffer',
    })
    return { ...shared, eventName: TEST_EVENT, key: '', body }
  }

  async #keyOf({ id, name, wrappedMetadataKey }: BucketMessageEnvelope['bucket']): Promise<MetadataKey> {
    const known = this.#keys.get(id)
    if (known !== undefined) return known
    // As it is wrapped now: the version of the master key that wrapped it when the event happened may be gone.
    const record = await this.#mesh.use('metadata').findBucket(name)
    const wrapped = record?.id === id ? record.wrappedMetadataKey : wrappedMetadataKey
    const parcel = await this.#mesh.use('crypto').openMetadataKey(id, wrapped, this.#mesh.recipient())
    const key = MetadataKey.take(this.#mesh.unparcel(parcel, 'metadata-key', id))
    if (this.#keys.size >= KEYS_MAX) this.#keys.clear()
    this.#keys.set(id, key)
    return key
  }
}
