import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { newBlobId } from '../blob-id.ts'
import { blobStoreContract } from '../contract.ts'
import { openFsBlobStore } from './fs.ts'

async function openIn(parent: string, directIo: boolean) {
  const directory = await mkdtemp(join(parent, 'coffer-blobs-'))
  const store = await openFsBlobStore({ directory, directIo })
  const dispose = async () => {
    await store.close()
    await rm(directory, { recursive: true })
  }
  return { store, dispose, directory }
}

blobStoreContract('the file driver with direct I/O', () => openIn(tmpdir(), true))
blobStoreContract('the file driver through the page cache', () => openIn(tmpdir(), false))

it('keeps its files and folders to its own user', async () => {
  const { store, dispose, directory } = await openIn(tmpdir(), true)
  const blobId = newBlobId('0123456789abcdef')
  await store.write(blobId, [Buffer.from('x')])
  const path = join(directory, blobId.slice(17, 19), blobId)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700)
  expect(await readdir(join(path, '..'))).toEqual([blobId])
  await dispose()
})
