import { constants } from 'node:fs'
import { access, readFile, stat, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Configuration } from '@coffer/config'
import { type Finding, ok, problem, reasonOf, warning } from './finding.ts'

const OTHERS = 0o077
const GIBIBYTE = 1024 ** 3
const LOW_BYTES = 2 * GIBIBYTE
const LOW_SHARE = 0.05

/** The data directory, who may read it, the root key, the disk. */
export async function checkStore(configuration: Configuration): Promise<Finding[]> {
  const directory = resolve(configuration.dataDir)
  const found = await stat(directory).catch(() => undefined)
  if (found === undefined) {
    return [
      ok('data-directory-none', directory, 'not there yet: the first start makes it'),
      ...(await checkDisk(dirname(directory))),
    ]
  }
  return [
    ...(await checkDirectory(directory, found.mode)),
    ...(await checkMarker(directory)),
    ...(await checkRootKey(configuration, directory)),
    ...(await checkDisk(directory)),
  ]
}

async function checkDirectory(path: string, mode: number): Promise<Finding[]> {
  if ((mode & OTHERS) !== 0) {
    return [warning('data-directory-permissions', path, `can be read by others: chmod 700 ${path}`)]
  }
  return await access(path, constants.R_OK | constants.W_OK | constants.X_OK).then(
    () => [ok('data-directory', path, 'can be written')],
    (error: unknown) => [problem('data-directory-unwritable', path, reasonOf(error))],
  )
}

async function checkMarker(directory: string): Promise<Finding[]> {
  const path = join(directory, 'coffer.json')
  try {
    const marker = JSON.parse(await readFile(path, 'utf8')) as { createdAt?: string }
    const createdMs = Date.parse(marker.createdAt ?? '')
    if (createdMs > Date.now()) {
      return [
        problem('clock-behind', path, `was made on ${marker.createdAt}, which is to come: set this machine's clock`),
      ]
    }
    return [ok('clock', new Date().toISOString(), 'after the store was made; signatures allow 15 minutes')]
  } catch (error) {
    const isNew = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    return isNew ? [] : [problem('data-directory-damaged', path, reasonOf(error))]
  }
}

async function checkRootKey(configuration: Configuration, directory: string): Promise<Finding[]> {
  if (configuration.rootKey !== undefined || configuration.rootKeyCommand !== undefined) return []
  const path = configuration.rootKeyFile ?? join(directory, 'secrets', 'root.key')
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) {
    const isConfigured = configuration.rootKeyFile !== undefined
    return isConfigured ? [problem('root-key-missing', path, 'is not there, and no start is possible without it')] : []
  }
  const findings: Finding[] = []
  if ((found.mode & OTHERS) !== 0) {
    findings.push(problem('root-key-permissions', path, `can be read by others: chmod 600 ${path}`))
  }
  if (configuration.rootKeyFile === undefined) {
    findings.push(
      warning('root-key-beside-data', path, 'is on the disk that it protects: see "In production" in the README'),
    )
  }
  return findings.length > 0 ? findings : [ok('root-key', path, 'is for its owner alone')]
}

async function checkDisk(path: string): Promise<Finding[]> {
  const disk = await statfs(path).catch(() => undefined)
  if (disk === undefined) return []
  const freeBytes = disk.bavail * disk.bsize
  const share = disk.blocks === 0 ? 1 : disk.bavail / disk.blocks
  const text = `${(freeBytes / GIBIBYTE).toFixed(1)} GiB free, ${Math.round(share * 100)} % of the disk`
  if (freeBytes < LOW_BYTES || share < LOW_SHARE)
    return [warning('disk-low', path, `${text}: a full disk refuses writes (507)`)]
  if (disk.files > 0 && disk.ffree / disk.files < LOW_SHARE) {
    return [warning('disk-low', path, `${text}, but few inodes: large objects are files`)]
  }
  return [ok('disk', path, text)]
}
