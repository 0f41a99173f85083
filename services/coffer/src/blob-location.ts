import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { FIRST_STORE, type OwnedBlobStore } from '@coffer/blob-store'
import { readConfigFile } from '@coffer/config'
import type { Tracer } from '@coffer/tracing'
import { BlobDirectory } from './blob-directory.ts'
import {
  type BlobsConfiguration,
  blobsFileError,
  parseBlobsConfiguration,
  type StoreConfiguration,
} from './blobs-configuration.ts'
import { traceBlobs } from './tracing/trace-stores.ts'

/** Where object bytes are: where the file says, else in the directory. */
export interface BlobLocation {
  readonly blobsDirectory: string
  /** The file that COFFER_BLOBS_FILE names. */
  readonly blobsFile: string | undefined
}

/** The blob stores of the configuration, before they are known to belong to the metadata. */
export interface ConfiguredBlobs {
  /** The first store. In the data directory it needs no mark, as that has one of its own; `isMade`: whether it has been used there. */
  readonly first:
    | { readonly store: OwnedBlobStore; readonly kind: StoreConfiguration['type'] }
    | { readonly store: OwnedBlobStore; readonly kind: 'data-directory'; readonly isMade: () => boolean }
  /** The others, by name. */
  readonly named: ReadonlyMap<string, OwnedBlobStore>
  /** What each of them is, the first too; `directory`: whose file system it fills. */
  readonly places: ReadonlyMap<string, BlobPlace>
  /** Storage class to name. */
  readonly classes: ReadonlyMap<string, string>
  close(): Promise<void>
}

export interface BlobPlace {
  readonly kind: 'data-directory' | StoreConfiguration['type']
  readonly directory?: string
}

const MINUTE_MS = 60_000

/** Reads nothing from an endpoint yet. COFFER_BLOBS_CONFIGURATION_INVALID, BLOB_... */
export async function openBlobStores(
  { blobsDirectory, blobsFile }: BlobLocation,
  tracer?: Tracer,
): Promise<ConfiguredBlobs> {
  const configuration: BlobsConfiguration =
    blobsFile === undefined
      ? { stores: new Map(), classes: new Map() }
      : parseBlobsConfiguration(blobsFile, readConfigFile(blobsFile))
  const inDataDirectory = new BlobDirectory(blobsDirectory)
  const opened = new Map<string, OwnedBlobStore>()
  const close = async () => {
    for (const store of opened.values()) await store.close()
  }
  try {
    for (const [name, store] of configuration.stores) {
      opened.set(name, traceBlobs(await openStore(blobsFile ?? '', name, store), tracer))
    }
    if (!opened.has(FIRST_STORE)) opened.set(FIRST_STORE, traceBlobs(inDataDirectory, tracer))
  } catch (error) {
    await close()
    throw error
  }
  const named = new Map(opened)
  named.delete(FIRST_STORE)
  const store = opened.get(FIRST_STORE) as OwnedBlobStore
  const type = configuration.stores.get(FIRST_STORE)?.type
  const first: ConfiguredBlobs['first'] =
    type === undefined
      ? { store, kind: 'data-directory', isMade: () => inDataDirectory.isMade() }
      : { store, kind: type }
  const places = new Map<string, BlobPlace>([[FIRST_STORE, { kind: 'data-directory', directory: blobsDirectory }]])
  for (const [name, store] of configuration.stores) places.set(name, placeOf(blobsFile ?? '', store))
  return { first, named, places, classes: configuration.classes, close }
}

function placeOf(blobsFile: string, store: StoreConfiguration): BlobPlace {
  if (store.type !== 'directory') return { kind: store.type }
  return { kind: store.type, directory: resolve(dirname(blobsFile), store.path) }
}

/** Paths in the file are relative to it. */
async function openStore(blobsFile: string, name: string, configuration: StoreConfiguration): Promise<OwnedBlobStore> {
  const pathOf = (path: string) => resolve(dirname(blobsFile), path)
  if (configuration.type === 'directory') return new BlobDirectory(pathOf(configuration.path))
  const { type: _, accessKeyId, secretAccessKeyFile, caFile, deleteDelayMinutes, ...location } = configuration
  if ((accessKeyId === undefined) !== (secretAccessKeyFile === undefined)) {
    throw blobsFileError(blobsFile, `${name}: accessKeyId and secretAccessKeyFile: both, or neither`)
  }
  const { openS3BlobStore } = await import('@coffer/blob-store/drivers/s3')
  return openS3BlobStore({
    ...location,
    ...(accessKeyId !== undefined &&
      secretAccessKeyFile !== undefined && {
        accessKey: { accessKeyId, secretAccessKeyFile: await readable(blobsFile, pathOf(secretAccessKeyFile)) },
      }),
    ...(caFile !== undefined && { ca: await readFile(await readable(blobsFile, pathOf(caFile)), 'utf8') }),
    deleteDelayMs: deleteDelayMinutes * MINUTE_MS,
  })
}

async function readable(blobsFile: string, path: string): Promise<string> {
  await readFile(path).catch((cause: unknown) => {
    throw blobsFileError(blobsFile, `cannot read ${path}`, cause)
  })
  return path
}
