import { createHash } from 'node:crypto'
import { copyFileSync, lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { REPOSITORY } from '../harness/start-server.ts'

export interface FileLimits {
  readonly filesMax: number
  readonly bytesMax: number
}

function* regularFiles(directory: string): Generator<{ path: string; sizeBytes: number }> {
  let names: string[]
  try {
    names = readdirSync(directory).sort()
  } catch {
    return
  }
  for (const name of names) {
    const path = join(directory, name)
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory()) yield* regularFiles(path)
    else if (stat?.isFile()) yield { path, sizeBytes: stat.size }
  }
}

/** Copies every `every`-th regular file below `source` until a limit is reached; links are left out. */
function copySome(source: string, target: string, limits: FileLimits, every: number): void {
  let [seen, files, bytes] = [0, 0, 0]
  for (const { path, sizeBytes } of regularFiles(source)) {
    if (seen++ % every !== 0 || bytes + sizeBytes > limits.bytesMax) continue
    const copy = join(target, relative(source, path))
    mkdirSync(dirname(copy), { recursive: true })
    copyFileSync(path, copy)
    bytes += sizeBytes
    if (++files >= limits.filesMax) return
  }
}

/** Files that nobody made for this test: packages of this repository, its own Git objects, and the system's shared files. */
export function gatherRealFiles(target: string, limits: FileLimits): void {
  const share = { filesMax: Math.ceil(limits.filesMax / 3), bytesMax: Math.ceil(limits.bytesMax / 3) }
  copySome(join(REPOSITORY, 'node_modules/.pnpm'), join(target, 'node_modules'), share, 7)
  copySome(join(REPOSITORY, '.git'), join(target, 'git'), share, 1)
  copySome('/usr/share', join(target, 'share'), share, 11)
}

/** The largest file of the repository's packages: many parts for every client. */
export function copyLargeFile(target: string, bytesMax: number): void {
  let largest = { path: '', sizeBytes: 0 }
  for (const file of regularFiles(join(REPOSITORY, 'node_modules/.pnpm'))) {
    if (file.sizeBytes > largest.sizeBytes && file.sizeBytes <= bytesMax) largest = file
  }
  mkdirSync(target, { recursive: true })
  copyFileSync(largest.path, join(target, 'large file.bin'))
}

/** Path (with `/`) to SHA-256 of every regular file below a directory. */
export function digests(directory: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const { path } of regularFiles(directory)) {
    found.set(relative(directory, path), createHash('sha256').update(readFileSync(path)).digest('hex'))
  }
  return found
}
