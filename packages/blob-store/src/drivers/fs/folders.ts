import { close, fsync, open } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { hasCode } from './file-system-errors.ts'

const FANOUT = 256
const NAMES: readonly string[] = Array.from({ length: FANOUT }, (_, index) => index.toString(16).padStart(2, '0'))

/** Numbers, not FileHandles: Node ends the process for a FileHandle that is collected while open, and a folder is no loss. */
const openDescriptor = promisify(open)
const syncDescriptor = promisify(fsync)
const closeDescriptor = promisify(close)

/** The fan-out folders below a blob directory, 0700. Each stays open from its first sync on: opening costs as much as syncing. */
export class Folders {
  readonly directory: string
  readonly #descriptors = new Map<string, Promise<number>>()

  private constructor(directory: string) {
    this.directory = directory
  }

  /** Makes what is not there yet. */
  static async in(directory: string): Promise<Folders> {
    const firstMade = await mkdir(resolve(directory), { recursive: true, mode: 0o700 })
    const folders = new Folders(directory)
    const present = new Set(await readdir(directory))
    const missing = NAMES.filter((name) => !present.has(name))
    await Promise.all(missing.map((name) => makeFolder(folders.pathOf(name))))
    await syncFolder(directory)
    // Each parent of what was made: a folder's name is kept by the folder above it.
    for (
      let made = resolve(directory);
      firstMade !== undefined && made.length >= firstMade.length;
      made = dirname(made)
    ) {
      await syncFolder(dirname(made))
    }
    return folders
  }

  get names(): readonly string[] {
    return NAMES
  }

  pathOf(name: string): string {
    return join(this.directory, name)
  }

  /** Names made or removed in a folder are on stable storage when this resolves. */
  async sync(name: string): Promise<void> {
    const known = this.#descriptors.get(name)
    const opening = known ?? openDescriptor(this.pathOf(name), 'r')
    if (known === undefined) {
      this.#descriptors.set(name, opening)
      opening.catch(() => this.#descriptors.delete(name))
    }
    await syncDescriptor(await opening)
  }

  async close(): Promise<void> {
    const descriptors = await Promise.allSettled(this.#descriptors.values())
    this.#descriptors.clear()
    for (const opened of descriptors) if (opened.status === 'fulfilled') await closeDescriptor(opened.value)
  }
}

/** Another process may make it at the same time. */
async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error
  })
}

export async function syncFolder(path: string): Promise<void> {
  const descriptor = await openDescriptor(path, 'r')
  try {
    await syncDescriptor(descriptor)
  } finally {
    await closeDescriptor(descriptor)
  }
}
