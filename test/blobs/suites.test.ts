import { afterAll, describe } from 'vitest'
import { shareWithSuites, startServer } from '../harness/start-server.ts'
import { blobsFileAt, newBucketAt, startCofferEndpoint } from './s3-endpoint.ts'

/** What a client sees of bodies: where the two drivers could differ. */
const SUITES = ['objects', 'multipart', 'ranges-and-conditions'] as const

describe('the suites of test/s3 with blobs at another Coffer', async () => {
  const provider = await startCofferEndpoint()
  const env = { COFFER_BLOBS_FILE: blobsFileAt(provider, await newBucketAt(provider)) }
  const server = await startServer({ env })
  afterAll(async () => {
    await server.dispose()
    await provider.stop()
  })
  shareWithSuites(server)
  for (const suite of SUITES) await import(`../s3/${suite}.test.ts`)
})
