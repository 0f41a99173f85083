import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { hasCode } from './file-system-errors.ts'

const FANOUT = 256
const NAMES: readonly string[] = Array.from({ length: FANOUT }, (_, index) => index.toString(16).padStart(2, '0'))

/** The fan-out folders below a blob directory, 0700. Each stays open from its first sync on: opening costs as much as syncing. */
export class Folders {
  readonly #directory: string
  readonly #handles = new Map<string, Promise<FileHandle>>()

  private constructor(directory: string) {
    this.#directory = directory
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
    return join(this.#directory, name)
  }

  /** Names made or removed in a folder are on stable storage when this resolves. */
  async sync(name: string): Promise<void> {
    const known = this.#handles.get(name)
    const opening = known ?? open(this.pathOf(name), constants.O_RDONLY)
    if (known === undefined) {
      this.#handles.set(name, opening)
      opening.catch(() => this.#handles.delete(name))
    }
    const handle = await opening
    await handle.sync()
  }

  async close(): Promise<void> {
    const handles = await Promise.allSettled(this.#handles.values())
    this.#handles.clear()
    for (const opened of handles) if (opened.status === 'fulfilled') await opened.value.close()
  }
}

/** Another process may make it at the same time. */
async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error
  })
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
