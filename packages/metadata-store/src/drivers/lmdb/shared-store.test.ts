import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { MetadataStore } from '../../metadata-store.ts'
import { openLmdbStore } from '../lmdb.ts'
import { commitFields } from './testing/commit-fields.ts'
import { count } from './testing/count.ts'

const ROUNDS = 10_000
const VERSION_ID_CHARACTERS = 32
const WRITER_PROCESS = join(import.meta.dirname, './testing/writer-process.ts')

describe('a store that two processes share', () => {
  let directory: string
  let store: MetadataStore
  let bucketId: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'coffer-shared-'))
    store = await openLmdbStore({ directory })
    bucketId = randomBytes(16).toString('hex')
    await store.createBucket({
      name: 'bucket',
      id: bucketId,
      ownerAccountId: 'account',
      createdAt: 1,
      versioning: 'unversioned',
      wrappedMetadataKey: randomBytes(60),
      sealed: randomBytes(40),
    })
  })
  afterEach(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })

  const start = (mode: string, ...rest: readonly string[]): ChildProcess =>
    spawn(process.execPath, [WRITER_PROCESS, mode, directory, ...rest], { stdio: ['ignore', 'pipe', 'inherit'] })

  test(`a read sees what the other has just acknowledged, ${ROUNDS} times`, { timeout: 300_000 }, async () => {
    const [requestsFile, answersFile] = [join(directory, 'requests'), join(directory, 'answers')]
    execFileSync('mkfifo', [requestsFile, answersFile])
    const writer = start('answer', bucketId, requestsFile, answersFile)
    const exited = once(writer, 'exit')
    const requests = openSync(requestsFile, 'w')
    const answers = openSync(answersFile, 'r')
    const answer = Buffer.alloc(VERSION_ID_CHARACTERS)
    // Nothing here lets the event loop turn, so that no timer of the library can renew its snapshot for us.
    for (let round = 0; round < ROUNDS; round += 1) {
      writeSync(requests, 'w')
      readSync(answers, answer, 0, VERSION_ID_CHARACTERS, null)
      const found = await store.findVersion(bucketId, 'shared', 'current', { withBody: false })
      if (found?.version.versionId !== answer.toString()) expect.fail(`round ${round} read an older version`)
      const listed = await store.listCurrent({ bucketId, prefix: '', delimiter: '', afterKey: '', limit: 1 })
      if (listed.entries[0]?.versionId !== answer.toString()) expect.fail(`round ${round} listed an older version`)
    }
    closeSync(requests)
    closeSync(answers)
    expect(await exited).toEqual([0, null])
  })

  test('compare-and-set holds between them', async () => {
    const other = start('count', '300')
    const exited = once(other, 'exit')
    await count(store, 300)
    expect(await exited).toEqual([0, null])
    expect((await store.findRecord('iam', 'counter'))?.revision).toBe(600)
  })

  test('one that is killed while it writes loses nothing that it acknowledged, and stops nobody', async () => {
    for (let round = 0; round < 5; round += 1) {
      const writer = start('flood', bucketId)
      const exited = once(writer, 'exit')
      const acknowledged: string[] = []
      const lines = createInterface({ input: writer.stdout as NonNullable<typeof writer.stdout> })
      for await (const key of lines) {
        acknowledged.push(key)
        if (acknowledged.length === 100 + round * 37) writer.kill('SIGKILL')
        if (acknowledged.length % 10 === 0) await store.commitVersion(commitFields(bucketId, 'mine', true))
      }
      expect(await exited).toEqual([null, 'SIGKILL'])
      await store.commitVersion(commitFields(bucketId, 'mine', true))
      for (const key of acknowledged) {
        expect(await store.findVersion(bucketId, key, 'current', { withBody: true })).toBeDefined()
      }
      const { versionCount } = await store.getUsage({ bucketId })
      expect(await store.getKeyUse('test/1')).toBe(versionCount)
    }
  })
})
