import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { access, constants, mkdir, readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { CofferError, type CofferErrorShape } from '@coffer/errors'
import { writeNewFile } from './durable-file.ts'
import { takeFileLock, whyNotLocked } from './file-lock.ts'
import { holdJournalLock, JOURNAL_LOCK, keepsJournal, MIGRATION_LOCK } from './journal-lock.ts'

/** Where a store keeps everything. */
export interface DataDirectory {
  readonly path: string
  /** Of this store, made at its first start. */
  readonly id: string
  readonly blobsDirectory: string
  readonly metadataDirectory: string
  readonly certsDirectory: string
  readonly secretsDirectory: string
  /** Made by the first process that writes an audit trail. */
  readonly auditDirectory: string
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
  DATA_DIRECTORY_DAMAGED: 'the data directory holds a store whose coffer.json is missing or cannot be read',
} as const

const LOCK_FAILURES = {
  busy: 'DATA_DIRECTORY_IN_USE',
  foreign: 'DATA_DIRECTORY_FOREIGN',
  unwritable: 'DATA_DIRECTORY_UNWRITABLE',
} as const

const FORMAT = 1
const MARKER = 'coffer.json'
const LOCK = 'lock'
/** Filled only once the marker is there. */
const STORE_FOLDERS = ['blobs', 'metadata']
const FOLDERS = [...STORE_FOLDERS, 'certs', 'secrets']
/** What a first start that was cut short may have left, and what a new file system begins with. */
const EXPECTED: ReadonlySet<string> = new Set([
  ...FOLDERS,
  ...[LOCK, JOURNAL_LOCK, MIGRATION_LOCK].flatMap((name) => [name, `${name}-journal`]),
  'lost+found',
])
const UNFINISHED_MARKER = /^coffer\.json\.[0-9a-f-]{36}\.tmp$/

/**
 * Opens (or makes) a data directory. `exclusive`: as the one server that runs on it, under a lock that the kernel takes back
 * however the process ends. What is refused is left untouched. The codes are those of {@link DATA_DIRECTORY_ERRORS}.
 *
 * @example const directory = await openDataDirectory('data', { exclusive: true })
 */
export async function openDataDirectory(path: string, options: { exclusive: boolean }): Promise<DataDirectory> {
  const root = resolve(path)
  const known = await recognise(root)
  try {
    await mkdir(root, { recursive: true, mode: 0o700 })
    await access(root, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw failure('DATA_DIRECTORY_UNWRITABLE', { path: root }, error)
  }
  const release = options.exclusive ? takeLock(root) : () => {}
  try {
    const identity = known ?? (await makeLayout(root))
    const releaseJournal = options.exclusive ? await holdJournalLock(root) : () => {}
    const releaseBoth = () => {
      releaseJournal()
      release()
    }
    return layoutOf(root, { ...identity, release: releaseBoth })
  } catch (error) {
    release()
    throw error
  }
}

/** Whether the server that runs on the directory, if there is one, notes what it changes in a store that is being moved. */
export function serverKeepsJournal(directory: DataDirectory): boolean {
  return keepsJournal(directory.path, LOCK)
}

interface Identity {
  readonly id: string
  readonly isNew: boolean
}

/** Whose directory it is, by looking only. Undefined: nobody's yet, or a first start's that was cut short. */
async function recognise(root: string): Promise<Identity | undefined> {
  const entries = await readdir(root).catch((error: unknown): string[] => {
    if (codeOf(error) === 'ENOENT') return []
    throw failure(
      codeOf(error) === 'ENOTDIR' ? 'DATA_DIRECTORY_FOREIGN' : 'DATA_DIRECTORY_UNWRITABLE',
      { path: root },
      error,
    )
  })
  if (entries.includes(MARKER)) return await readMarker(root)
  if (!entries.every((name) => EXPECTED.has(name) || UNFINISHED_MARKER.test(name))) {
    throw failure('DATA_DIRECTORY_FOREIGN', { path: root })
  }
  for (const folder of STORE_FOLDERS.filter((name) => entries.includes(name))) {
    const isEmpty = await readdir(join(root, folder)).then(({ length }) => length === 0)
    // Its first start may have made the marker after we looked.
    if (!isEmpty && existsSync(join(root, MARKER))) return await readMarker(root)
    if (!isEmpty) throw failure('DATA_DIRECTORY_DAMAGED', { path: root })
  }
  return undefined
}

function layoutOf(root: string, rest: Pick<DataDirectory, 'id' | 'isNew' | 'release'>): DataDirectory {
  return {
    path: root,
    blobsDirectory: join(root, 'blobs'),
    metadataDirectory: join(root, 'metadata'),
    certsDirectory: join(root, 'certs'),
    secretsDirectory: join(root, 'secrets'),
    auditDirectory: join(root, 'audit'),
    ...rest,
  }
}

async function readMarker(root: string): Promise<Identity> {
  let marker: unknown
  try {
    marker = JSON.parse(await readFile(join(root, MARKER), 'utf8'))
  } catch (error) {
    throw failure('DATA_DIRECTORY_DAMAGED', { path: root }, error)
  }
  const { format, id } = (marker ?? {}) as { format?: unknown; id?: unknown }
  if (typeof format === 'number' && format > FORMAT) throw failure('DATA_DIRECTORY_NEWER', { path: root, format })
  if (format !== FORMAT || typeof id !== 'string') throw failure('DATA_DIRECTORY_DAMAGED', { path: root })
  return { id, isNew: false }
}

/** The marker comes last: a directory without it is made again from the start. */
async function makeLayout(root: string): Promise<Identity> {
  const id = randomUUID()
  try {
    for (const folder of FOLDERS) await mkdir(join(root, folder), { recursive: true, mode: 0o700 })
    // A convenience only: certificates may be mounted where nothing can be made.
    await mkdir(join(root, 'certs', 'CAs'), { mode: 0o700 }).catch(() => {})
    const marker = { format: FORMAT, id, createdAt: new Date().toISOString() }
    await writeNewFile(join(root, MARKER), `${JSON.stringify(marker, undefined, 2)}\n`, 0o600)
    return { id, isNew: true }
  } catch (error) {
    // Another process was as far at the same time, and its marker came first.
    if (codeOf(error) === 'EEXIST') return await readMarker(root)
    throw failure('DATA_DIRECTORY_UNWRITABLE', { path: root }, error)
  }
}

function takeLock(root: string): () => void {
  try {
    return takeFileLock(join(root, LOCK))
  } catch (error) {
    throw failure(LOCK_FAILURES[whyNotLocked(error)], { path: root }, error)
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
