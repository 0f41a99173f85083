/**
 * A second process on one store, for tests: `node writer-process.ts <mode> <directory> <arguments>`.
 *
 * - answer <bucket id> <requests> <answers>: for each byte in the FIFO `requests` commits a version, then writes its id to
 *   the FIFO `answers`. Both are read and written blockingly.
 * - flood <bucket id>: commits until it is killed, and prints each key once that is acknowledged.
 * - count <rounds>: adds one to the record `counter` that often, each time as a compare-and-set.
 */
import { openSync, readSync, writeSync } from 'node:fs'
import { argv, stdout } from 'node:process'
import { openLmdbStore } from '../../lmdb.ts'
import { commitFields } from './commit-fields.ts'
import { count } from './count.ts'

const [mode, directory = '', ...rest] = argv.slice(2)
const store = await openLmdbStore({ directory })
if (mode === 'answer') await answer(rest[0] ?? '', rest[1] ?? '', rest[2] ?? '')
if (mode === 'flood') await flood(rest[0] ?? '')
if (mode === 'count') await count(store, Number(rest[0]))
await store.close()

async function answer(bucketId: string, requestsFile: string, answersFile: string): Promise<void> {
  const requests = openSync(requestsFile, 'r')
  const answers = openSync(answersFile, 'w')
  const request = Buffer.alloc(1)
  while (readSync(requests, request, 0, 1, null) === 1) {
    const commit = commitFields(bucketId, 'shared', true)
    await store.commitVersion(commit)
    writeSync(answers, commit.version.versionId)
  }
}

async function flood(bucketId: string): Promise<void> {
  await Promise.all(
    Array.from({ length: 8 }, async (_, lane) => {
      for (let index = 0; ; index += 1) {
        const commit = commitFields(bucketId, `${process.pid}-${lane}-${index}`, false)
        await store.commitVersion(commit)
        stdout.write(`${commit.version.key}\n`)
      }
    }),
  )
}
