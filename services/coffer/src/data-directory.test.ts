import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDataDirectory } from './data-directory.ts'

const EXCLUSIVE = { exclusive: true }
const NOBODY = 65_534

let scratch = ''
let path = ''
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'coffer-data-directory-'))
  path = join(scratch, 'data')
})
afterEach(() => rmSync(scratch, { recursive: true }))

/**
 * Every entry below the path with its mode, its time of change of content and its bytes. But for the lock's: to read it here
 * would be to drop it (fcntl(2)), if it is held by this process.
 */
function entriesOf(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()
  return Object.fromEntries(
    ['.', ...names].map((name) => {
      const { mode, mtimeMs } = lstatSync(join(directory, name))
      const isFile = lstatSync(join(directory, name)).isFile()
      return [
        name,
        `${mode.toString(8)} ${mtimeMs} ${isFile && name !== 'lock' ? readFileSync(join(directory, name), 'hex') : ''}`,
      ]
    }),
  )
}

async function expectRefused(code: string, options = EXCLUSIVE): Promise<void> {
  const before = entriesOf(path)
  await expect(openDataDirectory(path, options)).rejects.toMatchObject({ code })
  expect(entriesOf(path)).toEqual(before)
}

async function make(): Promise<string> {
  const made = await openDataDirectory(path, EXCLUSIVE)
  made.release()
  return made.id
}

interface OtherProcess {
  readonly child: ChildProcess
  /** Its first line: the id of the directory that it opened, or the code of the error. */
  readonly said: string
  readonly warned: string
}

/** Another process that opens the directory and stays. */
async function otherProcess(options: { exclusive: boolean; before?: string }): Promise<OtherProcess> {
  const script = `
    import { openDataDirectory } from ${JSON.stringify(import.meta.resolve('./data-directory.ts'))}
    ${options.before ?? ''}
    const opening = openDataDirectory(process.argv[1], { exclusive: ${options.exclusive} })
    console.log(await opening.then(({ id }) => id, ({ code }) => code))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let warned = ''
  child.stderr.on('data', (chunk) => {
    warned += chunk
  })
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  return { child, said: String(line).trim(), warned }
}

async function end({ child }: OtherProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  child.kill(signal)
  await once(child, 'exit')
}

describe('a new data directory', () => {
  it('has its folders and its marker, for its own user only', async () => {
    const directory = await openDataDirectory(path, EXCLUSIVE)
    expect(directory).toMatchObject({ path, isNew: true, id: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    const { blobsDirectory, metadataDirectory, certsDirectory, secretsDirectory } = directory
    for (const folder of [path, blobsDirectory, metadataDirectory, certsDirectory, secretsDirectory]) {
      expect(lstatSync(folder).mode & 0o7777, folder).toBe(0o40700 & 0o7777)
    }
    for (const file of ['coffer.json', 'lock']) expect(lstatSync(join(path, file)).mode & 0o777, file).toBe(0o600)
    const marker = JSON.parse(readFileSync(join(path, 'coffer.json'), 'utf8'))
    expect(marker).toEqual({ format: 1, id: directory.id, createdAt: expect.stringMatching(/^\d{4}-.*Z$/) })
    directory.release()
  })

  it('keeps its id, and is new once', async () => {
    const id = await make()
    const again = await openDataDirectory(path, EXCLUSIVE)
    expect(again).toMatchObject({ id, isNew: false })
    again.release()
  })

  it('may be an empty one that is there, with the certificates that somebody has laid out', async () => {
    mkdirSync(join(path, 'certs'), { recursive: true })
    mkdirSync(join(path, 'lost+found'))
    writeFileSync(join(path, 'certs', 'public.crt'), 'a certificate')
    const directory = await openDataDirectory(path, EXCLUSIVE)
    expect(directory.isNew).toBe(true)
    expect(readFileSync(join(path, 'certs', 'public.crt'), 'utf8')).toBe('a certificate')
    directory.release()
  })

  it.each([
    ['after the directory', []],
    ['after some folders', ['blobs', 'metadata']],
    ['before its marker', ['blobs', 'metadata', 'certs', 'secrets']],
  ])('is made again where a first start was killed %s', async (_, folders) => {
    mkdirSync(path, { mode: 0o700 })
    writeFileSync(join(path, 'lock'), '')
    for (const folder of folders) mkdirSync(join(path, folder), { mode: 0o700 })
    writeFileSync(join(path, 'coffer.json.7c1b6b53-0c7e-4a4b-9a8e-111111111111.tmp'), '{"for')
    const directory = await openDataDirectory(path, EXCLUSIVE)
    expect(directory.isNew).toBe(true)
    directory.release()
    const again = await openDataDirectory(path, EXCLUSIVE)
    expect(again).toMatchObject({ id: directory.id, isNew: false })
    again.release()
  })

  // skip: only Linux has a folder in which nobody can make another one
  it.skipIf(process.platform !== 'linux')('may have its certificates where nothing can be made', async () => {
    mkdirSync(path)
    symlinkSync('/proc/self', join(path, 'certs'))
    await make()
    expect(readdirSync(path)).toContain('coffer.json')
  })

  it('gets one id from many who open it first at the same time', async () => {
    const opened = await Promise.all(Array.from({ length: 20 }, () => openDataDirectory(path, { exclusive: false })))
    expect(new Set(opened.map(({ id }) => id)).size).toBe(1)
    expect(opened.filter(({ isNew }) => isNew)).toHaveLength(1)
    expect(readdirSync(path).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })
})

describe('a data directory is refused untouched', () => {
  it.each(['notes.txt', '.hidden', 'coffer.json.bak'])('with %s and no marker: it is not ours', async (name) => {
    mkdirSync(path)
    writeFileSync(join(path, name), 'somebody keeps things here')
    await expectRefused('DATA_DIRECTORY_FOREIGN')
    await expectRefused('DATA_DIRECTORY_FOREIGN', { exclusive: false })
  })

  it('where it is a file', async () => {
    writeFileSync(path, 'a file')
    await expect(openDataDirectory(path, EXCLUSIVE)).rejects.toMatchObject({ code: 'DATA_DIRECTORY_FOREIGN' })
    expect(readFileSync(path, 'utf8')).toBe('a file')
  })

  it('with a file of another kind for a lock', async () => {
    mkdirSync(path)
    writeFileSync(join(path, 'lock'), 'pid 4711\n'.repeat(100))
    await expectRefused('DATA_DIRECTORY_FOREIGN')
  })

  it('written by a newer Coffer, whatever else its marker says', async () => {
    await make()
    for (const marker of ['{"format":2}', '{"format":1.5,"id":"x"}', '{"format":3,"id":{},"more":true}']) {
      writeFileSync(join(path, 'coffer.json'), marker)
      await expectRefused('DATA_DIRECTORY_NEWER')
    }
  })

  it.each(['', 'null', '[]', '7', '{"for', '{"format":"1","id":"x"}', '{"format":0,"id":"x"}', '{"format":1}'])(
    'with the damaged marker %j',
    async (marker) => {
      await make()
      writeFileSync(join(path, 'coffer.json'), marker)
      await expectRefused('DATA_DIRECTORY_DAMAGED')
    },
  )

  it('with a store in it that has lost its marker', async () => {
    await make()
    writeFileSync(join(path, 'metadata', 'data.mdb'), 'records')
    rmSync(join(path, 'coffer.json'))
    await expectRefused('DATA_DIRECTORY_DAMAGED')
  })

  // skip: only root can become a user who may not write here
  it.skipIf(process.getuid?.() !== 0)('by a user who may not write it', async () => {
    chmodSync(scratch, 0o755)
    const asNobody = { exclusive: true, before: `process.setuid(${NOBODY})` }
    const first = await otherProcess(asNobody)
    expect(first.said).toBe('DATA_DIRECTORY_UNWRITABLE')
    expect(readdirSync(scratch)).toEqual([])
    await end(first)
    await make()
    for (const name of ['.', 'certs', 'secrets', 'blobs', 'metadata']) chmodSync(join(path, name), 0o755)
    chmodSync(join(path, 'coffer.json'), 0o644)
    const before = entriesOf(path)
    const second = await otherProcess(asNobody)
    expect(second.said).toBe('DATA_DIRECTORY_UNWRITABLE')
    expect(entriesOf(path)).toEqual(before)
    await end(second)
  })

  it('where no directory can be made', async () => {
    await expect(openDataDirectory('/dev/null/data', EXCLUSIVE)).rejects.toMatchObject({ code: /DATA_DIRECTORY_/ })
  })
})

describe('the exclusive lock', () => {
  it('keeps a second holder out, in this process and in others, until it is released', async () => {
    const first = await openDataDirectory(path, EXCLUSIVE)
    await expectRefused('DATA_DIRECTORY_IN_USE')
    const other = await otherProcess({ exclusive: true })
    expect(other.said).toBe('DATA_DIRECTORY_IN_USE')
    await end(other)
    await expectRefused('DATA_DIRECTORY_IN_USE')
    first.release()
    first.release()
    const next = await openDataDirectory(path, EXCLUSIVE)
    expect(next.id).toBe(first.id)
    next.release()
  })

  it('lets those in who need no lock', async () => {
    const first = await openDataDirectory(path, EXCLUSIVE)
    const beside = await openDataDirectory(path, { exclusive: false })
    expect(beside.id).toBe(first.id)
    beside.release()
    await expectRefused('DATA_DIRECTORY_IN_USE')
    first.release()
  })

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'goes with a process that ends by %s, and no warning is shown',
    async (signal) => {
      const holder = await otherProcess({ exclusive: true })
      expect(holder.said).toMatch(/^[0-9a-f-]{36}$/)
      await expectRefused('DATA_DIRECTORY_IN_USE')
      await end(holder, signal)
      expect(holder.warned).toBe('')
      const next = await openDataDirectory(path, EXCLUSIVE)
      expect(next.id).toBe(holder.said)
      next.release()
    },
  )

  it('is kept even if its holder forgets it and memory is collected', async () => {
    const holder = await otherProcess({
      exclusive: true,
      before: `
        import { setFlagsFromString } from 'node:v8'
        import { runInNewContext } from 'node:vm'
        setFlagsFromString('--expose-gc')
        setInterval(runInNewContext('gc'), 5)`,
    })
    for (let tries = 0; tries < 20; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      await expectRefused('DATA_DIRECTORY_IN_USE')
    }
    await end(holder)
  })

  it('lets one of several processes win that start at the same time on a new directory', async () => {
    const others = await Promise.all(Array.from({ length: 4 }, () => otherProcess({ exclusive: true })))
    const said = others.map((other) => other.said).sort()
    const refusals = said.filter((word) => word === 'DATA_DIRECTORY_IN_USE')
    expect(refusals).toHaveLength(3)
    const marker = JSON.parse(readFileSync(join(path, 'coffer.json'), 'utf8'))
    expect(said).toContain(marker.id)
    for (const other of others) await end(other)
  })

  it('does not follow a copy of the directory', async () => {
    const first = await openDataDirectory(path, EXCLUSIVE)
    const original = path
    path = join(scratch, 'copy')
    cpSync(original, path, { recursive: true, filter: (name) => !name.endsWith('lock') })
    const copy = await openDataDirectory(path, EXCLUSIVE)
    expect(copy).toMatchObject({ id: first.id, isNew: false })
    copy.release()
    first.release()
  })
})
