import { type StoreNumber, storeOf } from '@coffer/blob-store'
import type { MetadataService } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'

export type BlobRecords = Pick<
  MetadataService,
  'findRecord' | 'putRecord' | 'deleteRecord' | 'listReferencedBlobs' | 'listGarbage'
>

interface Found<Value> {
  readonly value: Value
  readonly revision: number
}

const TABLE = 'store'
const PAGE = 1000

/** One record of the metadata's own table, as JSON. */
export function recordTable<Value>(id: string) {
  return {
    table: TABLE,
    id,
    async find(metadata: BlobRecords): Promise<Found<Value> | undefined> {
      const found = await metadata.findRecord(TABLE, id)
      if (found === undefined) return undefined
      return { value: JSON.parse(Buffer.from(found.value).toString('utf8')) as Value, revision: found.revision }
    },
    /** Where two processes start at once, the other's record is as good: what follows reads it. */
    async put(metadata: BlobRecords, value: Value, expectedRevision: number): Promise<void> {
      await metadata
        .putRecord(TABLE, id, Buffer.from(JSON.stringify(value)), expectedRevision)
        .catch((error: unknown) => {
          if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
        })
    },
  } as const
}

/** Whether a blob of this store is needed, or is still to be deleted. Walks what is referred to, until it finds one. */
export async function refersTo(metadata: BlobRecords, store: StoreNumber): Promise<boolean> {
  for (let afterBlobId = ''; ; ) {
    const page = await metadata.listGarbage(PAGE, afterBlobId)
    if (page.some((blobId) => storeOf(blobId) === store)) return true
    const last = page.at(-1)
    if (page.length < PAGE || last === undefined || last <= afterBlobId) break
    afterBlobId = last
  }
  for (let afterBlobId = ''; ; ) {
    const page = await metadata.listReferencedBlobs(afterBlobId, PAGE)
    if (page.some(({ blobId }) => storeOf(blobId) === store)) return true
    const last = page.at(-1)
    if (page.length < PAGE || last === undefined) return false
    afterBlobId = last.blobId
  }
}
