import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runOrThrow } from '../harness/coffer-command.ts'
import { cleanEnvironment, REPOSITORY, temporaryDirectory } from '../harness/start-server.ts'

/** From which processes may be replaced one by one by those of this version: the oldest that upgrades are tested from. */
const OLDER_COMMIT = 'd745d43'

/** Whether this checkout knows the older version: a shallow clone and an unpacked archive do not. */
export function hasOlderVersion(): boolean {
  const { status } = spawnSync('git', ['cat-file', '-e', `${OLDER_COMMIT}^{commit}`], { cwd: REPOSITORY })
  return status === 0
}

/** A checkout of the older version with its own dependencies. */
export async function installOlderVersion(): Promise<{ path: string; remove(): void }> {
  const path = temporaryDirectory('older')
  const env = cleanEnvironment({})
  const archive = join(path, 'older.tar')
  const code = join(path, 'coffer')
  mkdirSync(code)
  await runOrThrow('git', ['archive', '--format=tar', '-o', archive, OLDER_COMMIT], { env, cwd: REPOSITORY })
  await runOrThrow('tar', ['-xf', archive, '-C', code], { env })
  const install = ['--yes', 'pnpm@12', 'install', '--frozen-lockfile', '--prefer-offline', '--reporter=silent']
  await runOrThrow('npx', install, { env, cwd: code })
  return { path: code, remove: () => rmSync(path, { recursive: true, force: true }) }
}
