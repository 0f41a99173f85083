import type { BlobId, BlobSource, OpenBlob, OwnedBlobStore } from '@coffer/blob-store'
import { isCofferError } from '@coffer/errors'
import type { KmsConnector } from '@coffer/kms'
import type { MetadataStore } from '@coffer/metadata-store'
import type { Span, Tracer } from '@coffer/tracing'
import { COMMITS } from '../metadata-commits.ts'
import { traceCalls } from './trace-calls.ts'

/** Calls to a KMS, as callers see them: with the repetitions and waits of `resilient`. */
export function traceKms(connector: KmsConnector, tracer: Tracer | undefined, isLocal: boolean): KmsConnector {
  const kind = isLocal ? 'internal' : 'client'
  return traceCalls(connector, tracer, (method) =>
    method === 'close'
      ? undefined
      : {
          name: `kms ${method}`,
          kind,
          isCarried: !isLocal,
          attributes: { 'coffer.kms.connector': connector.name, 'rpc.method': method },
        },
  )
}

/** A metadata store's writes. What is read shows as the call that asked for it. */
export function traceCommits(
  store: MetadataStore,
  tracer: Tracer | undefined,
  system: 'lmdb' | 'postgresql',
): MetadataStore {
  return traceCalls(store, tracer, (method) =>
    COMMITS.has(method)
      ? {
          name: `commit ${method}`,
          kind: 'client',
          attributes: { 'db.system.name': system, 'db.operation.name': method },
        }
      : undefined,
  )
}

/** Each blob that is written, and each that is read, from its opening to its closing. */
export function traceBlobs(store: OwnedBlobStore, tracer: Tracer | undefined): OwnedBlobStore {
  if (tracer === undefined) return store
  return {
    readOwner: () => store.readOwner(),
    claim: (owner) => store.claim(owner),
    delete: (blobId) => store.delete(blobId),
    list: () => store.list(),
    close: () => store.close(),
    write: (blobId, source) => writeTraced(store, tracer, blobId, source),
    open: (blobId) => openTraced(store, tracer, blobId),
  }
}

async function writeTraced(store: OwnedBlobStore, tracer: Tracer, blobId: BlobId, source: BlobSource): Promise<number> {
  return await tracer.child({ name: 'blob write', kind: 'client' }, async () => {
    const sizeBytes = await store.write(blobId, source)
    tracer.current()?.set({ 'coffer.blob.size_bytes': sizeBytes })
    return sizeBytes
  })
}

async function openTraced(store: OwnedBlobStore, tracer: Tracer, blobId: BlobId): Promise<OpenBlob> {
  const span = tracer.beginChild({ name: 'blob read', kind: 'client' })
  if (span === undefined) return await store.open(blobId)
  try {
    return readTraced(await store.open(blobId), span)
  } catch (error) {
    span.failed(isCofferError(error) ? error.code : 'unexpected')
    span.end()
    throw error
  }
}

function readTraced(blob: OpenBlob, span: Span): OpenBlob {
  let readBytes = 0
  return {
    sizeBytes: blob.sizeBytes,
    async read(offsetBytes, lengthBytes, into) {
      const piece = await blob.read(offsetBytes, lengthBytes, into)
      readBytes += lengthBytes
      return piece
    },
    async close() {
      await blob.close()
      span.set({ 'coffer.blob.size_bytes': readBytes })
      span.end()
    },
  }
}
