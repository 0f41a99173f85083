import { isCofferError } from '@coffer/errors'
import type { VersionId, VersionRecord } from '@coffer/metadata-store'
import { etagOf, type ObjectAttributes, openAttributes } from '@coffer/object-record'
import type { RateLimit } from '../jobs/rate-limit.ts'
import { type DraftMeans, receiveDraft } from './adopted-draft.ts'
import type { AdoptingBucket } from './adopting-bucket.ts'
import { commitAdopted, type ExpectedCurrent } from './commit-adopted.ts'
import type { SourceVersion } from './source.ts'
import { sourceError } from './source-errors.ts'

export interface AdoptMeans extends DraftMeans {
  readonly target: AdoptingBucket
  readonly objectsRate: RateLimit
}

/** `adopted`: it was to be taken, and was. `kept`: it is here already, or something newer. */
export type AdoptOutcome = 'adopted' | 'kept'

/** A version here, its record opened. */
interface OpenedHere {
  readonly version: VersionRecord
  readonly attributes: Partial<ObjectAttributes>
}

/** Of writes of the same key by clients at the same time. */
const ATTEMPTS_MAX = 8
const PAGE = 1000
/** Certain refusals of a commit. */
const REFUSALS: ReadonlySet<string> = new Set([
  'META_PRECONDITION_FAILED',
  'META_QUOTA_EXCEEDED',
  'META_BUCKET_NOT_FOUND',
  'ROTATION_BUCKET_NOT_FOUND',
])

/**
 * The current object of a key: taken unless it is here, or something here is newer. What a client writes meanwhile is never
 * covered: the commit names what it is put upon. `isPreview`: nothing is read or written but records.
 */
export async function adoptCurrent(
  means: AdoptMeans,
  version: SourceVersion,
  isPreview: boolean,
): Promise<AdoptOutcome> {
  for (let attempt = 1; ; attempt++) {
    const here = await findHere(means, version.key, 'current')
    if (here !== undefined && (isSame(here, version) || isNewer(here, version))) return 'kept'
    if (isPreview) return 'adopted'
    const expected = here === undefined || here.version.isDeleteMarker ? 'none' : here.version.versionId
    try {
      await take(means, version, expected)
      return 'adopted'
    } catch (error) {
      if (!isCofferError(error, 'META_PRECONDITION_FAILED') || attempt === ATTEMPTS_MAX) throw error
    }
  }
}

/**
 * All versions of a key, the oldest first, each once: those that an earlier run has committed are found by their ids at the
 * source. ROTATION_SOURCE_OUT_OF_ORDER: its place is below one that is here.
 */
export class VersionsOfKey {
  readonly #means: AdoptMeans
  readonly #key: string
  /** Undefined: to be looked up, at first and when nobody knows what a commit came to. */
  #found: KeyHere | undefined

  constructor(means: AdoptMeans, key: string) {
    this.#means = means
    this.#key = key
  }

  async adopt(version: SourceVersion, isPreview: boolean): Promise<AdoptOutcome> {
    for (let attempt = 1; ; attempt++) {
      this.#found ??= keyHere(await listHere(this.#means, this.#key))
      const { here, newest } = this.#found
      if (here.some((one) => isSame(one, version))) return 'kept'
      if (version.lastModifiedAt < newest.lastModifiedAt) {
        throw sourceError('ROTATION_SOURCE_OUT_OF_ORDER', 'a newer version is here')
      }
      if (isPreview) return 'adopted'
      try {
        const versionId = await take(this.#means, version, newest.expected)
        const expected = version.isDeleteMarker ? 'none' : versionId
        this.#found = { here, newest: { expected, lastModifiedAt: version.lastModifiedAt } }
        return 'adopted'
      } catch (error) {
        this.#found = undefined
        if (!isCofferError(error, 'META_PRECONDITION_FAILED') || attempt === ATTEMPTS_MAX) throw error
      }
    }
  }
}

/** The versions of a key, and what the next one is put upon. */
interface KeyHere {
  readonly here: readonly OpenedHere[]
  readonly newest: { readonly expected: ExpectedCurrent; readonly lastModifiedAt: number }
}

function keyHere(here: readonly OpenedHere[]): KeyHere {
  const newest = here[0]?.version
  const expected = newest === undefined || newest.isDeleteMarker ? 'none' : newest.versionId
  return { here, newest: { expected, lastModifiedAt: newest?.lastModifiedAt ?? 0 } }
}

async function take(means: AdoptMeans, version: SourceVersion, expectedCurrent: ExpectedCurrent): Promise<VersionId> {
  const { mesh, target, blobs } = means
  await means.objectsRate.take(1, means.signal)
  const draft = version.isDeleteMarker ? undefined : await receiveDraft(means, target.current, version)
  try {
    const { versionId, garbage } = await commitAdopted(mesh, target, { version, draft, expectedCurrent })
    for (const blobId of garbage) await blobs.delete(blobId)
    if (garbage.length > 0) await mesh.use('metadata').forgetGarbage(garbage)
    return versionId
  } catch (error) {
    // Nothing refers to the new blobs. After a lost answer something may.
    const isRefused = isCofferError(error) && REFUSALS.has(error.code)
    if (isRefused && draft?.received.body.kind === 'blobs') {
      for (const { blobId } of draft.received.body.blobs) await blobs.delete(blobId)
    }
    throw error
  }
}

async function findHere(means: AdoptMeans, key: string, which: 'current' | { readonly versionId: VersionId }) {
  const { record } = means.target.current
  const found = await means.mesh.use('metadata').findVersion(record.id, key, which, { withBody: false })
  return found && openedHere(means, found.version)
}

/** The newest first. */
async function listHere(means: AdoptMeans, key: string): Promise<readonly OpenedHere[]> {
  const metadata = means.mesh.use('metadata')
  const { id: bucketId } = means.target.current.record
  const opened: OpenedHere[] = []
  let after: { afterKey: string; afterVersionId: VersionId | 'null' | '' } | undefined = {
    afterKey: '',
    afterVersionId: '',
  }
  while (after !== undefined) {
    const page = await metadata.listVersions({ bucketId, prefix: key, delimiter: '', ...after, limit: PAGE })
    const own = page.entries.filter((entry) => entry.key === key)
    const records = await metadata.findVersions(own.map(({ versionId }) => ({ bucketId, key, versionId })))
    for (const record of records) if (record !== undefined) opened.push(openedHere(means, record))
    // Keys that begin with this one come after it.
    after = own.length === page.entries.length ? page.next : undefined
  }
  return opened
}

function openedHere({ target }: AdoptMeans, version: VersionRecord): OpenedHere {
  const { record, metadataKey } = target.current
  return { version, attributes: openAttributes(metadataKey, record.id, version).attributes }
}

/** By where it came from; or, where it came in another way, by its ETag and size. */
function isSame({ version, attributes }: OpenedHere, wanted: SourceVersion): boolean {
  if (version.isDeleteMarker || wanted.isDeleteMarker) {
    return version.isDeleteMarker && wanted.isDeleteMarker && version.lastModifiedAt === wanted.lastModifiedAt
  }
  if (version.sizeBytes !== wanted.sizeBytes) return false
  const { adopted, etagHex = '', partCount } = attributes
  if (adopted !== undefined) {
    const [here, there] = [adopted.versionId, wanted.versionId]
    const isOther = here !== undefined && there !== undefined && here !== there
    return !isOther && adopted.etag === wanted.etag && version.lastModifiedAt === wanted.lastModifiedAt
  }
  const etag = etagOf({ etagHex, ...(partCount !== undefined && { partCount }) })
  return wanted.versionId === undefined && etag === `"${wanted.etag}"`
}

/** Written or deleted here since. What was adopted in that moment itself is older than what is there now in its place. */
function isNewer({ version, attributes }: OpenedHere, wanted: SourceVersion): boolean {
  const isOlder = version.lastModifiedAt < wanted.lastModifiedAt
  const isSuperseded = attributes.adopted !== undefined && version.lastModifiedAt === wanted.lastModifiedAt
  return !isOlder && !isSuperseded
}
