import type { PlacedBlobStore } from '@coffer/blob-store'
import type { LifecyclePosition, Tally } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import type { JobRun, JsonObject } from '@coffer/job-queue'
import type { Mesh } from '@coffer/mesh'
import type { WriterId } from '@coffer/metadata-store'
import { objectEvents, replaceObjectKey, sealSummary } from '@coffer/object-record'
import { impossibleRequest } from '../errors.ts'
import { type FoundTransition, lifecycleEvent } from '../lifecycle/apply-to-version.ts'
import { Lifecycle } from '../lifecycle/lifecycle.ts'
import { BodyMover } from './body-mover.ts'
import type { JobRequest } from './job-requests.ts'
import { JobTally } from './job-tally.ts'
import { patiently } from './patience.ts'
import { RateLimit } from './rate-limit.ts'

interface TransitionOptions {
  readonly mesh: Mesh
  readonly blobs: PlacedBlobStore
  readonly writerId: WriterId
}

/** Nothing that comes after can be done either. */
const FATAL: ReadonlySet<string> = new Set(['BLOB_STORE_FULL', 'META_STORE_FULL', 'META_WRITER_RETIRED'])
const NOTHING: Tally = { objectCount: 0, sizeBytes: 0 }

/**
 * Makes each version that lifecycle rules have due for another storage class one of that class: its data moves to the store of
 * the class, in the same commit in which its record says so. What is done is not due any more: killed, it goes on from the last page.
 */
export async function runTransitions(
  options: TransitionOptions,
  run: JobRun,
  request: JobRequest<'transition'>,
): Promise<JsonObject> {
  const { mesh } = options
  const tally = new JobTally(run)
  const now = () => run.job.submittedAt
  if (run.job.progress === undefined) tally.planned(await totalDue(mesh, now, run.signal))
  const rate = new RateLimit(request.objectsPerSecond)
  const transition = new Transition(options, request, run.signal)
  const lifecycle = new Lifecycle(mesh, now, async (found) => {
    run.signal.throwIfAborted()
    const size = { objectCount: 1, sizeBytes: found.version.sizeBytes }
    await rate.take(1, run.signal)
    try {
      await transition.apply(found)
      tally.changed(size)
    } catch (error) {
      if (!isCofferError(error) || error.code.endsWith('_UNAVAILABLE') || error.code === 'META_VERSION_CHANGED')
        throw error
      const { key, versionId } = found.version
      tally.failed(size, `${found.bucket.record.name}/${key} (version ${versionId})`, error.code)
      // Past the tally of the walk, which goes on after what it knows.
      if (FATAL.has(error.code)) throw new Error(error.code, { cause: error })
    }
    tally.tellSometimes()
  })
  try {
    let position = tally.checkpoint as unknown as LifecyclePosition | undefined
    do {
      const step = await patiently(() => lifecycle.step(position ? { position } : {}), tally, run.signal)
      position = step.next
      if (position) tally.reached(atKeyBoundary(position) as unknown as JsonObject)
    } while (position !== undefined)
  } catch (error) {
    throw error instanceof Error && isCofferError(error.cause) ? error.cause : error
  } finally {
    await tally.tellNow()
  }
  return tally.progress()
}

/** What is known of a key half seen is old when another run goes on: it begins with that key anew. */
function atKeyBoundary({ within, ...bucket }: LifecyclePosition): LifecyclePosition {
  if (within?.kind !== 'versions') return { ...bucket, ...(within && { within }) }
  const { inKey: _, ...place } = within
  return { ...bucket, within: place }
}

async function totalDue(mesh: Mesh, now: () => number, signal: AbortSignal): Promise<Tally> {
  let total = NOTHING
  const counting = new Lifecycle(mesh, now, async ({ version }) => {
    total = { objectCount: total.objectCount + 1, sizeBytes: total.sizeBytes + version.sizeBytes }
  })
  for (let position: LifecyclePosition | undefined; ; ) {
    signal.throwIfAborted()
    position = (await counting.step(position ? { position } : {})).next
    if (position === undefined) return total
  }
}

class Transition {
  readonly #options: TransitionOptions
  readonly #mover: BodyMover
  readonly #signal: AbortSignal

  constructor(options: TransitionOptions, request: JobRequest<'transition'>, signal: AbortSignal) {
    const { mesh, blobs, writerId } = options
    const bytesRate = new RateLimit(request.bytesPerSecond)
    this.#options = options
    this.#mover = new BodyMover({ metadata: mesh.use('metadata'), blobs, writerId, bytesRate })
    this.#signal = signal
  }

  /** META_VERSION_CHANGED: it is another, or is something else by now. */
  async apply({ bucket, version, attributes, objectKey, storageClass }: FoundTransition): Promise<void> {
    const { record, metadataKey, config } = bucket
    const metadata = this.#options.mesh.use('metadata')
    const to = await this.#options.blobs.placeOf(storageClass)
    if (to === undefined) throw impossibleRequest('transition', storageClass, 'no store is configured for this class')
    const changed = { ...attributes, storageClass }
    const events = objectEvents(bucket, config, () => lifecycleEvent(bucket, 's3:LifecycleTransition', version))
    const replacement = {
      bucketId: record.id,
      key: version.key,
      versionId: version.versionId,
      expectedSealed: version.sealed,
      keyRef: version.keyRef,
      sealed: replaceObjectKey(metadataKey, record.id, version, changed, objectKey),
      summary: sealSummary(metadataKey, record.id, version, changed),
      ...(events && { events }),
    }
    // Small bodies are beside their records, whatever their class.
    if (version.bodyKind !== 'blobs') return await metadata.replaceObjectKey(replacement)
    const { versionId } = version
    const found = await metadata.findVersion(record.id, version.key, { versionId }, { withBody: true })
    if (found?.body?.kind !== 'blobs') return
    await this.#mover.move(found.body, { isFrom: (store) => store !== to, to }, replacement, this.#signal)
  }
}
