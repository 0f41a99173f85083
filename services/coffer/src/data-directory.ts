import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { access, constants, mkdir, readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CofferError, type CofferErrorShape } from '@coffer/errors'
import { writeNewFile } from './durable-file.ts'

/** Where a store keeps everything. */
export interface DataDirectory {
  readonly path: string
  /** Of this store, made at its first start. */
  readonly id: string
  readonly blobsDirectory: string
  readonly metadataDirectory: string
  readonly certsDirectory: string
  readonly secretsDirectory: string
  /** Made by this call. */
  readonly isNew: boolean
  /** Lets go of the lock. */
  release(): void
}

export const DATA_DIRECTORY_ERRORS = {
  DATA_DIRECTORY_FOREIGN: 'the data directory holds files that are not a Coffer store; give an empty or new one',
  DATA_DIRECTORY_NEWER: 'the data directory was written by a newer Coffer; start that one',
  DATA_DIRECTORY_IN_USE: 'another Coffer runs on this data directory',
  DATA_DIRECTORY_UNWRITABLE: 'the data directory cannot be written',
  DATA_DIRECTORY_DAMAGED: 'coffer.json in the data directory cannot be read',
} as const

const FORMAT = 1
const MARKER = 'coffer.json'
const LOCK = 'lock'
const FOLDERS = ['blobs', 'metadata', 'certs', 'secrets']
/** What a first start that was cut short may have left. */
const OURS: ReadonlySet<string> = new Set([...FOLDERS, LOCK, `${LOCK}-journal`])
const UNFINISHED_MARKER = /^coffer\.json\.[0-9a-f-]{36}\.tmp$/

/**
 * Opens (or makes) a data directory. `exclusive`: as the one server that runs on it, under a lock that the kernel takes back
 * however the process ends. What is refused is left untouched.
 */
export async function openDataDirectory(path: string, options: { exclusive: boolean }): Promise<DataDirectory> {
  const root = resolve(path)
  const entries = await readdir(root).catch((error: unknown): string[] => {
    if (codeOf(error) === 'ENOENT') return []
    throw failure('DATA_DIRECTORY_UNWRITABLE', { path: root }, error)
  })
  const known = entries.includes(MARKER) ? await readMarker(root) : undefined
  if (known === undefined && !entries.every((name) => OURS.has(name) || UNFINISHED_MARKER.test(name))) {
    throw failure('DATA_DIRECTORY_FOREIGN', { path: root })
  }
  try {
    await mkdir(root, { recursive: true, mode: 0o700 })
    await access(root, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw failure('DATA_DIRECTORY_UNWRITABLE', { path: root }, error)
  }
  const lock = options.exclusive ? takeLock(root) : undefined
  try {
    const id = known?.id ?? (await makeLayout(root))
    return layoutOf(root, { id, isNew: known === undefined, release: () => lock?.close() })
  } catch (error) {
    lock?.close()
    throw error
  }
}

function layoutOf(root: string, rest: Pick<DataDirectory, 'id' | 'isNew' | 'release'>): DataDirectory {
  return {
    path: root,
    blobsDirectory: join(root, 'blobs'),
    metadataDirectory: join(root, 'metadata'),
    certsDirectory: join(root, 'certs'),
    secretsDirectory: join(root, 'secrets'),
    ...rest,
  }
}

async function readMarker(root: string): Promise<{ id: string }> {
  let marker: { format?: unknown; id?: unknown }
  try {
    marker = JSON.parse(await readFile(join(root, MARKER), 'utf8'))
  } catch (error) {
    throw failure('DATA_DIRECTORY_DAMAGED', { path: root }, error)
  }
  const { format, id } = marker
  if (typeof format !== 'number' || typeof id !== 'string') throw failure('DATA_DIRECTORY_DAMAGED', { path: root })
  if (format > FORMAT) throw failure('DATA_DIRECTORY_NEWER', { path: root, format })
  return { id }
}

/** The marker comes last: a directory without it is made again from the start. */
async function makeLayout(root: string): Promise<string> {
  const id = randomUUID()
  for (const folder of FOLDERS) await mkdir(join(root, folder), { recursive: true, mode: 0o700 })
  const marker = { format: FORMAT, id, createdAt: new Date().toISOString() }
  await writeNewFile(join(root, MARKER), `${JSON.stringify(marker, undefined, 2)}\n`, 0o600)
  return id
}

/** SQLite's exclusive lock is a POSIX lock on the file: it is gone with the process, and it holds between containers. */
function takeLock(root: string): DatabaseSync {
  const path = join(root, LOCK)
  const existed = existsSync(path)
  try {
    const lock = new DatabaseSync(path, { timeout: 0 })
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    throw failure(existed ? 'DATA_DIRECTORY_IN_USE' : 'DATA_DIRECTORY_UNWRITABLE', { path: root }, error)
  }
}

function failure(
  code: keyof typeof DATA_DIRECTORY_ERRORS,
  details: NonNullable<CofferErrorShape['details']>,
  cause?: unknown,
): CofferError {
  return new CofferError({ code, message: DATA_DIRECTORY_ERRORS[code], details }, { cause })
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
