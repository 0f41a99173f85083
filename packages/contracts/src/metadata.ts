import type { MetadataStore } from '@coffer/metadata-store'

/** The metadata service: the metadata store, called over the mesh with its arguments as they are. */
export type MetadataService = Omit<MetadataStore, 'close'>
