import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { refused } from '../../contract/fixtures.ts'
import { openLmdbStore } from '../lmdb.ts'

describe('the format of a store', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'coffer-format-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  const putInRoot = async (key: string, value: Buffer): Promise<Buffer> => {
    const root = open<Buffer, Buffer>({
      path: directory,
      noSubdir: false,
      overlappingSync: false,
      encoding: 'binary',
      keyEncoding: 'binary',
    })
    root.transactionSync(() => void root.put(Buffer.from(key), value))
    await root.close()
    return readFile(join(directory, 'data.mdb'))
  }

  test('a store of a newer format is refused and not touched', async () => {
    await (await openLmdbStore({ directory })).close()
    const before = await putInRoot('coffer-metadata-format', Buffer.from([0, 0, 0, 3]))
    const details = await refused(openLmdbStore({ directory }), 'META_FORMAT_NEWER')
    expect(details).toEqual({ format: 3, supported: 2 })
    expect(await readFile(join(directory, 'data.mdb'))).toEqual(before)
  })

  test('an environment that is not ours is refused and not touched', async () => {
    const before = await putInRoot('something', Buffer.from('else'))
    await refused(openLmdbStore({ directory }), 'META_RECORD_DAMAGED')
    expect(await readFile(join(directory, 'data.mdb'))).toEqual(before)
  })

  test('a format that cannot be read is refused', async () => {
    await putInRoot('coffer-metadata-format', Buffer.from([1]))
    await refused(openLmdbStore({ directory }), 'META_RECORD_DAMAGED')
    await putInRoot('coffer-metadata-format', Buffer.from([0, 0, 0, 0]))
    await refused(openLmdbStore({ directory }), 'META_RECORD_DAMAGED')
  })

  test('a store opened for reading reads, refuses every change, and is not made where there is none', async () => {
    const writing = await openLmdbStore({ directory })
    await writing.putRecord('iam', 'a', Buffer.from('value'))
    await writing.close()
    const reading = await openLmdbStore({ directory, readOnly: true })
    expect((await reading.findRecord('iam', 'a'))?.revision).toBe(1)
    await expect(reading.putRecord('iam', 'a', Buffer.from('other'))).rejects.toThrow()
    await reading.close()
    await expect(openLmdbStore({ directory: join(directory, 'nothing'), readOnly: true })).rejects.toThrow()
  })
})
