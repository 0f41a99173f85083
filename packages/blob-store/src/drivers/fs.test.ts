import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { newBlobId } from '../blob-id.ts'
import { type BlobStoreFixture, blobStoreContract } from '../contract.ts'
import { AlignedBuffers } from './fs/aligned-buffers.ts'
import { canWriteDirectly } from './fs/direct-io-probe.ts'
import { openFsBlobStore } from './fs.ts'

const WRITER = '0123456789abcdef'
const SMALL_DISK_BYTES = 16 * 1024 * 1024

interface FsFixture extends BlobStoreFixture {
  readonly directory: string
}

async function openIn(parent: string, directIo: boolean): Promise<FsFixture> {
  const directory = await mkdtemp(join(parent, 'coffer-blobs-'))
  const store = await openFsBlobStore({ directory, directIo })
  const dispose = async () => {
    await store.close()
    await rm(directory, { recursive: true })
  }
  return { store, dispose, directory }
}

const mounted: string[] = []
afterAll(async () => {
  for (const path of mounted) {
    spawnSync('umount', [path])
    await rm(path, { recursive: true })
  }
})

/** A small file system of its own; undefined where this user may not mount one. */
async function smallDisk(mount: (path: string) => SpawnSyncReturns<Buffer>): Promise<string | undefined> {
  const path = await mkdtemp(join(tmpdir(), 'coffer-small-disk-'))
  if (mount(path).status !== 0) {
    await rm(path, { recursive: true })
    return undefined
  }
  mounted.push(path)
  return path
}

/** A memory file system: refuses direct I/O before Linux 6.6. */
const tmpfs = await smallDisk((path) =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK_BYTES}`, 'tmpfs', path]),
)
/** A disk file system: takes direct I/O. */
const ext4 = await smallDisk((path) => {
  const image = `${path}.image`
  writeFileSync(image, new Uint8Array(SMALL_DISK_BYTES))
  const made = spawnSync('mkfs.ext4', ['-q', '-F', '-O', '^has_journal', image])
  const result = made.status === 0 ? spawnSync('mount', ['-o', 'loop', image, path]) : made
  // The mount keeps it.
  spawnSync('rm', ['-f', image])
  return result
})

const onSmall = (disk: string | undefined, directIo: boolean) =>
  disk === undefined ? {} : { openSmall: () => openIn(disk, directIo) }

blobStoreContract('the file driver with direct I/O', () => openIn(tmpdir(), true), onSmall(ext4, true))
blobStoreContract('the file driver through the page cache', () => openIn(tmpdir(), false), onSmall(tmpfs, false))

describe('the file driver', () => {
  it('keeps its files and folders to its own user', async () => {
    const { store, dispose, directory } = await openIn(tmpdir(), true)
    const blobId = newBlobId(WRITER)
    await store.write(blobId, [Buffer.from('x')])
    const path = join(directory, blobId.slice(17, 19), blobId)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700)
    expect(await readdir(join(path, '..'))).toEqual([blobId])
    await dispose()
  })

  it('leaves nothing but its folders of trying how the disk takes writes', async () => {
    const { dispose, directory } = await openIn(tmpdir(), true)
    const names = await readdir(directory)
    expect(names).toHaveLength(256)
    expect(names.every((name) => /^[0-9a-f]{2}$/.test(name))).toBe(true)
    await dispose()
  })

  // skip: only root may mount a disk that is known to be strict
  it.skipIf(ext4 === undefined)('finds out whether the disk takes direct I/O from its buffers', async () => {
    const directory = ext4 ?? ''
    expect(canWriteDirectly(directory, new AlignedBuffers(1))).toBe(true)
    const misaligned = new Uint8Array(65_537).subarray(1)
    expect(canWriteDirectly(directory, { tryAcquire: () => misaligned, release: () => {} })).toBe(false)
    expect(canWriteDirectly(join(directory, 'missing'), new AlignedBuffers(1))).toBe(false)
    expect((await readdir(directory)).filter((name) => name.includes('probe'))).toEqual([])
  })

  it('makes its folders again where some are missing', async () => {
    const { store, dispose, directory } = await openIn(tmpdir(), true)
    await store.close()
    await rm(join(directory, 'a7'), { recursive: true })
    const again = await openFsBlobStore({ directory })
    expect(await readdir(directory)).toHaveLength(256)
    await again.close()
    await dispose()
  })

  it('leaves files alone that are no blobs, and does not list them', async () => {
    const { store, dispose, directory } = await openIn(tmpdir(), true)
    const note = join(directory, '00', 'note.txt')
    await writeFile(note, 'mine')
    expect(await Array.fromAsync(store.list())).toEqual([])
    expect(await readFile(note, 'utf8')).toBe('mine')
    await dispose()
  })

  it('opens again what it kept', async () => {
    const { store, dispose, directory } = await openIn(tmpdir(), true)
    const blobId = newBlobId(WRITER)
    await store.write(blobId, [Buffer.from('kept')])
    await store.close()
    const again = await openFsBlobStore({ directory })
    expect(await Array.fromAsync(again.list())).toEqual([{ blobId, sizeBytes: 4 }])
    await again.close()
    await dispose()
  })

  it('says that the disk fails where it does, and not that the blob is missing', async () => {
    const { store, dispose, directory } = await openIn(tmpdir(), true)
    const blobId = newBlobId(WRITER)
    const path = join(directory, blobId.slice(17, 19), blobId)
    // A folder in the blob's place: it opens and can't be read.
    await mkdir(path)
    const blob = await store.open(blobId)
    await expect(blob.read(0, 1)).rejects.toMatchObject({ code: 'BLOB_IO_FAILED' })
    await blob.close()
    await expect(store.delete(blobId)).rejects.toMatchObject({ code: 'BLOB_IO_FAILED' })
    await dispose()
  })

  it('has every blob whole that it acknowledged before it was killed, and lists what was cut', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'coffer-blobs-'))
    const store = await openFsBlobStore({ directory })
    for (let round = 0; round < 3; round++) {
      const { acknowledged, begun } = await writeUntilKilled(directory)
      expect(acknowledged.length).toBeGreaterThan(0)
      const sizes = new Map<string, number>()
      for await (const { blobId, sizeBytes } of store.list()) sizes.set(blobId, sizeBytes)
      for (const blobId of acknowledged) {
        const blob = await store.open(blobId)
        const bytes = await blob.read(0, blob.sizeBytes)
        await blob.close()
        expect(bytes).toHaveLength(WRITTEN_BYTES)
        expect(bytes.every((byte) => byte === Number.parseInt(blobId.slice(-2), 16))).toBe(true)
      }
      // The one whose source never ended is there to be found, and to be removed.
      expect(sizes.has(begun)).toBe(true)
      for (const blobId of sizes.keys()) await store.delete(blobId)
      expect(await Array.fromAsync(store.list())).toEqual([])
    }
    await store.close()
    await rm(directory, { recursive: true })
  })
})

const WRITTEN_BYTES = 1_500_000

/** A process that writes blobs filled with the last byte of their id, names each when its write has resolved, and is killed. */
async function writeUntilKilled(directory: string): Promise<{ acknowledged: string[]; begun: string }> {
  const script = `
    import { openFsBlobStore } from ${JSON.stringify(import.meta.resolve('./fs.ts'))}
    import { newBlobId } from ${JSON.stringify(import.meta.resolve('../blob-id.ts'))}
    const store = await openFsBlobStore({ directory: process.argv[1] })
    const begun = newBlobId('${WRITER}')
    const { promise: never } = Promise.withResolvers()
    store.write(begun, (async function* () { yield Buffer.alloc(2_500_000); console.log('begun ' + begun); await never })())
    for (;;) {
      const blobId = newBlobId('${WRITER}')
      await store.write(blobId, [Buffer.alloc(${WRITTEN_BYTES}, parseInt(blobId.slice(-2), 16))])
      console.log('written ' + blobId)
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  for await (const chunk of child.stdout) {
    output += chunk
    if (output.split('written').length > 8 && output.includes('begun ') && child.exitCode === null)
      child.kill('SIGKILL')
  }
  if (child.signalCode === null && child.exitCode === null) await once(child, 'exit')
  const lines = output.split('\n').slice(0, -1)
  const idsOf = (word: string) => lines.filter((line) => line.startsWith(word)).map((line) => line.split(' ')[1] ?? '')
  return { acknowledged: idsOf('written'), begun: idsOf('begun')[0] ?? '' }
}
