import { type S3ErrorCode, s3Error, UNSET_CONFIGURATIONS } from '@coffer/s3-protocol'
import { xmlReply } from '../reply.ts'
import type { Operation } from './operation.ts'

/*
 * Configurations that Coffer has not. Tools that describe a bucket ask for them all and stop at NotImplemented: they are told
 * what AWS tells of a bucket on which nobody set them. To set one is NotImplemented.
 */

const unset =
  (name: keyof typeof UNSET_CONFIGURATIONS): Operation =>
  async () =>
    xmlReply(UNSET_CONFIGURATIONS[name])

const absent =
  (code: S3ErrorCode): Operation =>
  async () => {
    throw s3Error(code)
  }

export const listBucketAnalytics = unset('analytics')
export const listBucketIntelligentTiering = unset('intelligentTiering')
export const listBucketInventory = unset('inventory')
export const listBucketMetrics = unset('metrics')
/** Of one of them by its id: to get and to delete. */
export const getListedConfiguration = absent('NoSuchConfiguration')
export const getMetadataConfiguration = absent('MetadataConfigurationNotFound')

export const unsetOperations: ReadonlySet<Operation> = new Set([
  listBucketAnalytics,
  listBucketIntelligentTiering,
  listBucketInventory,
  listBucketMetrics,
  getListedConfiguration,
  getMetadataConfiguration,
])
