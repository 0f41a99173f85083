import type { MetadataService } from '@coffer/contracts'
import type { JobRecords } from '@coffer/job-queue/drivers/embedded'

const TABLE = 'jobs'

/** Where jobs are kept without Redis: a table of the metadata store, in this process or over the mesh. */
export function jobRecordsIn(
  metadata: Pick<MetadataService, 'findRecord' | 'putRecord' | 'deleteRecord' | 'listRecords'>,
): JobRecords {
  return {
    find: async (id) => await metadata.findRecord(TABLE, id),
    put: async (id, value, expectedRevision) => {
      await metadata.putRecord(TABLE, id, value, expectedRevision)
    },
    remove: async (id) => await metadata.deleteRecord(TABLE, id),
    list: async (query) => await metadata.listRecords(TABLE, query),
  }
}
