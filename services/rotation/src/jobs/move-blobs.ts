import { type BlobPlaces, type PlacedBlobStore, STANDARD, storeOf } from '@coffer/blob-store'
import type { JobRun, JsonObject } from '@coffer/job-queue'
import type { Mesh } from '@coffer/mesh'
import type { WriterId } from '@coffer/metadata-store'
import { impossibleRequest } from '../errors.ts'
import { BodyMover } from './body-mover.ts'
import { ObjectsJob } from './change-objects.ts'
import type { JobRequest } from './job-requests.ts'
import type { FoundVersion, ObjectChange } from './object-change.ts'
import { RateLimit } from './rate-limit.ts'
import type { WalkLimits } from './walk-concurrently.ts'

interface MoveOptions {
  readonly mesh: Mesh
  readonly blobs: PlacedBlobStore
  readonly writerId: WriterId
}

interface Route {
  readonly from: number
  readonly to: number
}

const PAGE = 1000

/**
 * All object data of one store to another, beside requests. Its report ends with what is left: parts of uploads in progress, which
 * move when the upload has become an object, and what failed.
 */
export async function moveBlobs(
  { mesh, blobs, writerId }: MoveOptions,
  run: JobRun,
  request: JobRequest<'move-blobs'>,
  limits: WalkLimits,
): Promise<JsonObject> {
  const route = routeOf(await blobs.places(), request)
  const bytesRate = new RateLimit(request.bytesPerSecond)
  const mover = new BodyMover({ metadata: mesh.use('metadata'), blobs, writerId, bytesRate })
  const progress = await new ObjectsJob(mesh, run, request, new BlobMove(mover, route)).run(limits)
  return { ...progress, left: await leftIn(mesh, route.from) }
}

/** ROTATION_REQUEST_INVALID: no such stores, or new objects go on coming into the one that is to be emptied. */
function routeOf({ numbers, classes }: BlobPlaces, request: JobRequest<'move-blobs'>): Route {
  const [from, to] = [numbers.get(request.from), numbers.get(request.to)]
  if (from === undefined) throw invalid('from', `no store ${request.from} is configured`)
  if (to === undefined) throw invalid('to', `no store ${request.to} is configured`)
  if (from === to) throw invalid('to', 'it is the store that the data is in')
  const kept = new Map([[STANDARD, 0], ...classes])
  for (const [storageClass, store] of kept) {
    if (store === from)
      throw invalid('from', `new ${storageClass} objects go there: give the class another store first`)
  }
  return { from, to }
}

function invalid(at: string, why: string): Error {
  return impossibleRequest('move-blobs', at, why)
}

class BlobMove implements ObjectChange {
  readonly needsBody = 'always'
  readonly needsNoKey = true
  readonly #mover: BodyMover
  readonly #route: Route

  constructor(mover: BodyMover, route: Route) {
    this.#mover = mover
    this.#route = route
  }

  isDue({ body }: FoundVersion): boolean {
    return body?.kind === 'blobs' && body.blobs.some(({ blobId }) => storeOf(blobId) === this.#route.from)
  }

  /** The record says nothing of where its data is, and stays as it is. */
  async apply({ bucket, version, body }: FoundVersion, signal: AbortSignal): Promise<void> {
    if (body?.kind !== 'blobs') return
    const { key, versionId, keyRef, sealed } = version
    const isFrom = (store: number) => store === this.#route.from
    const replacement = { bucketId: bucket.id, key, versionId, expectedSealed: sealed, keyRef, sealed }
    await this.#mover.move(body, { isFrom, to: this.#route.to }, replacement, signal)
  }
}

/** Of ciphertext. */
async function leftIn(mesh: Mesh, store: number): Promise<{ blobCount: number; sizeBytes: number }> {
  let [blobCount, sizeBytes] = [0, 0]
  for (let afterBlobId = ''; ; ) {
    const page = await mesh.use('metadata').listReferencedBlobs(afterBlobId, PAGE)
    for (const { blobId, storedSizeBytes } of page) {
      if (storeOf(blobId) !== store) continue
      blobCount += 1
      sizeBytes += storedSizeBytes
    }
    const last = page.at(-1)
    if (page.length < PAGE || last === undefined) return { blobCount, sizeBytes }
    afterBlobId = last.blobId
  }
}
