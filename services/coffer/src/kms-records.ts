import type { MetadataService } from '@coffer/contracts'
import type { RemovableRecords } from '@coffer/kms'

const TABLE = 'keys'

/** Where connectors keep sealed master keys: a table of the metadata store, in this process or over the mesh. */
export function kmsRecordsIn(
  metadata: Pick<MetadataService, 'findRecord' | 'putRecord' | 'listRecords' | 'deleteRecord' | 'changeRecords'>,
): RemovableRecords {
  return {
    find: async (id) => await metadata.findRecord(TABLE, id),
    put: async (id, value, expectedRevision) => {
      await metadata.putRecord(TABLE, id, value, expectedRevision)
    },
    list: async (query) => await metadata.listRecords(TABLE, query),
    remove: async (id) => await metadata.deleteRecord(TABLE, id),
    change: async (changes) => await metadata.changeRecords(TABLE, changes),
  }
}

/** Whether a root key has sealed something here: from then on another must not be made in its place. */
export async function hasSealedKeys(metadata: Pick<MetadataService, 'listRecords'>): Promise<boolean> {
  return (await metadata.listRecords(TABLE, { prefix: '', afterId: '', limit: 1 })).length > 0
}
