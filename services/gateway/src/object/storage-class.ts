import { STANDARD, type StoreNumber } from '@coffer/blob-store'
import { invalidStorageClass, parseStorageClass, type StorageClass } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'

/** What an object's record says of its class, STANDARD by saying nothing. */
export interface Classed {
  readonly storageClass?: StorageClass
}

/** x-amz-storage-class of a write. InvalidStorageClass: none of S3's, or none that is configured here. */
export async function requestedClass(
  headers: Readonly<Record<string, string | undefined>>,
  context: GatewayContext,
): Promise<Classed> {
  const storageClass = parseStorageClass(headers)
  if (storageClass === STANDARD) return {}
  await storeFor({ storageClass }, context)
  return { storageClass }
}

/** Where the bytes of an object of this class go. InvalidStorageClass: it was configured when its upload began. */
export async function storeFor(
  { storageClass = STANDARD }: Classed,
  { options }: Pick<GatewayContext, 'options'>,
): Promise<StoreNumber> {
  const store = await options.blobs.placeOf(storageClass)
  if (store === undefined) throw invalidStorageClass(storageClass)
  return store
}
