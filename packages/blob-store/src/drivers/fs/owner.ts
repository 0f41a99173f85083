import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode } from './file-system-errors.ts'
import { syncFolder } from './folders.ts'

/** The name that it has at an S3 endpoint too. */
const FILE = 'coffer-store'

/** Whose the directory is; undefined: nobody's. An empty file is a claim that was cut short. */
export async function readOwner(directory: string): Promise<string | undefined> {
  const text = await readFile(join(directory, FILE), 'utf8').catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT')) throw error
    return ''
  })
  return text.trim() || undefined
}

/** Takes the directory unless it is somebody's; returns whose it is now. */
export async function claimOwner(directory: string, owner: string): Promise<string> {
  const found = await readOwner(directory)
  if (found !== undefined) return found
  const file = await open(join(directory, FILE), 'w', 0o600)
  try {
    await file.writeFile(`${owner}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await syncFolder(directory)
  return (await readOwner(directory)) ?? owner
}
