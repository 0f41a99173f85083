import { afterAll, describe } from 'vitest'
import { describeWithPostgres } from '../harness/describe-with-postgres.ts'
import { startPostgres } from '../harness/postgres-server.ts'
import { shareWithSuites, startServer } from '../harness/start-server.ts'

/** What a client sees of listings, conditions, versions, uploads and deletion: where the two drivers could differ. */
const SUITES = ['buckets', 'conditional-writes', 'listings', 'multipart', 'versioning'] as const

describeWithPostgres('S3 with the metadata on PostgreSQL', () => {
  describe('the suites of test/s3', async () => {
    const postgres = await startPostgres()
    const env = { COFFER_METADATA_URL: postgres.url, COFFER_METADATA_PASSWORD_FILE: postgres.passwordFile }
    const server = await startServer({ env })
    afterAll(async () => {
      await server.dispose()
      await postgres.stop()
    })
    shareWithSuites(server)
    for (const suite of SUITES) await import(`../s3/${suite}.test.ts`)
  })
})
