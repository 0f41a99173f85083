import { blobStoreContract } from '@coffer/blob-store/contract'
import { openS3BlobStore } from '@coffer/blob-store/drivers/s3'
import { afterAll } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { locationAt, newBucketAt, type S3Endpoint, startCofferEndpoint, startMotoEndpoint } from './s3-endpoint.ts'

const DELETE_DELAY_MS = 60_000

function contractAt(name: string, start: () => Promise<S3Endpoint>): void {
  let started: Promise<{ endpoint: S3Endpoint; bucket: string }> | undefined
  const startOnce = async () => {
    const endpoint = await start()
    return { endpoint, bucket: await newBucketAt(endpoint) }
  }
  afterAll(async () => await (await started)?.endpoint.stop())
  blobStoreContract(name, async () => {
    started ??= startOnce()
    const { endpoint, bucket } = await started
    const store = openS3BlobStore({ ...locationAt(endpoint, bucket), deleteDelayMs: DELETE_DELAY_MS })
    return { store, dispose: () => store.close() }
  })
}

contractAt('a bucket at another Coffer', startCofferEndpoint)

describeWithPrograms('the s3 driver against moto', ['moto_server'], ({ moto_server }) => {
  contractAt('a bucket at moto', () => startMotoEndpoint(moto_server))
})
