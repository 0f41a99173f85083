/**
 * 32 MiB puts and gets through a Coffer whose blobs are at another Coffer, against the same load on that other one directly, in
 * turns. Both run on this machine and share its processors. `node test/bench/s3-back-end.ts [seconds for each]`
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runLoad } from '@coffer/service-coffer/bench'
import { benchKeys, makeBenchBucket, startCoffer } from './bench-server.ts'

const OBJECT_BYTES = 32 * 1024 * 1024
const seconds = Number(process.argv[2] ?? 10)

const directory = mkdtempSync(join(tmpdir(), 'coffer-bench-blobs-'))
const backEnd = await startCoffer()
try {
  const bucket = await makeBenchBucket(backEnd)
  const blobsFile = join(directory, 'blobs.json')
  writeFileSync(join(directory, 'secret'), benchKeys.secretAccessKey)
  const { accessKeyId } = benchKeys
  const configuration = {
    type: 's3',
    endpoint: backEnd.endpoint.url,
    region: 'us-east-1',
    bucket,
    prefix: 'blobs-of-the-other/',
    accessKeyId,
    secretAccessKeyFile: 'secret',
    forcePathStyle: true,
  }
  writeFileSync(blobsFile, JSON.stringify(configuration))
  const through = await startCoffer({ COFFER_BLOBS_FILE: blobsFile })
  try {
    await makeBenchBucket(through)
    for (const operation of ['put', 'get'] as const) {
      const { results } = await runLoad({
        endpoints: [through.endpoint, backEnd.endpoint],
        operations: [operation],
        sizesBytes: [OBJECT_BYTES],
        bucket,
        durationMs: seconds * 1000,
        sliceMs: 2000,
        sse: 'none',
      })
      const rateOf = (url: string) => results.find(({ endpoint }) => endpoint === url)?.mebibytesPerSecond ?? 0
      const [served, direct] = [rateOf(through.endpoint.url), rateOf(backEnd.endpoint.url)]
      const ratio = (served / direct).toFixed(2)
      console.log(
        `${operation}: through Coffer ${served.toFixed(0)} MiB/s, directly ${direct.toFixed(0)} MiB/s, ratio ${ratio}`,
      )
    }
  } finally {
    await through.stop()
  }
} finally {
  await backEnd.stop()
  rmSync(directory, { recursive: true, force: true })
}
