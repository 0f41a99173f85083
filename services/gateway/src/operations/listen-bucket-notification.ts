import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BucketListener, openBucketMessage, parseBucketMessage, queueOfListener } from '@coffer/object-record'
import { eventsNamed, invalidArgument, type KeyFilter, renderEventRecord, s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { decisionOn } from '../steps/permission.ts'
import { actionOf } from '../steps/s3-actions.ts'
import { untraced } from '../trace-request.ts'
import { bucketOf, type Operation } from './operation.ts'

const EVENTS_MAX = 50
const FILTER_CHARS_MAX = 1024
const LISTENERS_MAX = 32
const POLL_MS = 200
const PAGE = 500
/** An empty message, by which either side finds out that the other is gone. */
const KEEP_ALIVE_MS = 5_000
/** How long whoever may not listen any more still hears. */
const REVIEW_MS = 5_000
const RENEW_MS = 60_000
const LEASE_MS = 180_000
/** MinIO tells of reads too; who asks for them gets the rest. */
const ACCESS_EVENTS = 's3:ObjectAccessed:'

/**
 * ListenBucketNotification, of MinIO: the events of a bucket as they happen, one JSON document a line, until the client goes
 * away. The listener is put into the bucket's configuration, so that from then on every commit by any gateway brings its
 * events along.
 */
export const listenBucketNotification: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { rawQuery, query } = request.parsed
  const events = eventsAskedFor(rawQuery)
  const filter = { ...filterOf('prefix', query), ...filterOf('suffix', query) }
  const listener = { id: randomUUID(), events, filter }
  await register(context, bucket, listener)
  const stream = untraced(tail(request, context, listener), context)
  return { status: 200, headers: { 'content-type': 'application/json' }, stream }
}

function eventsAskedFor(rawQuery: string): readonly string[] {
  // The parsed query has the first of a repeated name only.
  const events = new URLSearchParams(rawQuery).getAll('events')
  if (events.length > EVENTS_MAX) throw invalidArgument('events', String(events.length), 'Too many events.')
  for (const event of events) {
    if (eventsNamed(event).length > 0 || event.startsWith(ACCESS_EVENTS)) continue
    throw invalidArgument('events', event.slice(0, 100), `The event '${event.slice(0, 100)}' is not supported`)
  }
  return events
}

function filterOf(name: keyof KeyFilter, query: ReadonlyMap<string, string>): KeyFilter {
  const value = query.get(name) ?? ''
  if (value.length > FILTER_CHARS_MAX) throw invalidArgument(name, value.slice(0, 100), 'The filter is too long.')
  return value === '' ? {} : { [name]: value }
}

/** Enters the listener, or gives it more time. */
async function register(
  context: GatewayContext,
  bucket: OpenBucket,
  listener: Omit<BucketListener, 'untilAt'>,
): Promise<void> {
  await changeListeners(context, bucket, (listeners) => {
    const others = listeners.filter(({ id, untilAt }) => id !== listener.id && untilAt > Date.now())
    if (others.length >= LISTENERS_MAX) throw s3Error('SlowDown', { message: 'Too many listeners on this bucket.' })
    return [...others, { ...listener, untilAt: Date.now() + LEASE_MS }]
  })
}

async function changeListeners(
  context: GatewayContext,
  bucket: OpenBucket,
  change: (listeners: readonly BucketListener[]) => readonly BucketListener[],
): Promise<void> {
  await updateBucket(context, bucket, ({ versioning, config: { listeners = [], ...config } }) => {
    const changed = change(listeners)
    return { versioning, config: { ...config, ...(changed.length > 0 && { listeners: changed }) } }
  })
}

/** As things are now: an access key may be gone, a session ended, a policy changed since the request was made. */
async function mayStillListen(request: AuthorizedRequest, context: GatewayContext): Promise<boolean> {
  const { principal, parsed } = request
  const bucket = await context.buckets.find(parsed.bucket)
  if (bucket === undefined) return false
  const asked = { bucket, action: actionOf(parsed), key: '', existing: undefined }
  if (principal === 'anonymous') return decisionOn({ ...request, bucket }, asked).effect === 'allow'
  const { accessKeyId } = principal
  const sessionToken = parsed.query.get('X-Amz-Security-Token') ?? parsed.headers['x-amz-security-token']
  const date = new Date().toISOString().slice(0, 10).replaceAll('-', '')
  const scope = { accessKeyId, date, region: context.options.region, service: 's3' }
  const known = await context.signingKeys.find({ ...scope, ...(sessionToken !== undefined && { sessionToken }) })
  if (known === undefined) return false
  return decisionOn({ ...request, ...known, bucket }, asked).effect === 'allow'
}

async function* tail(
  request: AuthorizedRequest,
  context: GatewayContext,
  listener: Omit<BucketListener, 'untilAt'>,
): AsyncGenerator<readonly Uint8Array[], void> {
  const bucket = bucketOf(request)
  const { metadata, stopping } = context
  const queue = queueOfListener(listener.id)
  let toldAt = 0
  let renewedAt = Date.now()
  let reviewedAt = renewedAt
  try {
    while (!stopping.aborted) {
      const now = Date.now()
      if (now - reviewedAt > REVIEW_MS) {
        // Who cannot be asked about does not listen either; a client comes again by itself.
        if (!(await mayStillListen(request, context).catch(() => false))) return
        reviewedAt = now
      }
      if (now - renewedAt > RENEW_MS) {
        await register(context, bucket, listener)
        renewedAt = now
      }
      const entries = await metadata.listEvents({ queue, afterId: '', limit: PAGE })
      const records = entries.flatMap(({ id, payload }) => recordOf(bucket, queue, id, payload) ?? [])
      if (records.length > 0 || now - toldAt > KEEP_ALIVE_MS) {
        yield [Buffer.from(`${JSON.stringify({ Records: records })}\n`)]
        toldAt = now
      }
      if (entries.length > 0) await metadata.moveEvents({ queue, ids: entries.map(({ id }) => id) })
      else await sleep(POLL_MS, undefined, { signal: stopping }).catch(() => undefined)
    }
  } finally {
    // What is left in the queue is swept away by the events relay.
    await changeListeners(context, bucket, (listeners) => listeners.filter(({ id }) => id !== listener.id)).catch(
      () => undefined,
    )
  }
}

/** As MinIO has it: the event's name with `s3:`. */
function recordOf(bucket: OpenBucket, queue: string, entryId: string, payload: Uint8Array) {
  const envelope = parseBucketMessage(payload)
  const message = envelope && openBucketMessage(bucket.metadataKey, envelope, queue)
  if (message?.kind !== 'object') return undefined
  const record = renderEventRecord(message.event, message.configurationId, entryId.toUpperCase())
  return { ...record, eventName: message.event.name }
}
