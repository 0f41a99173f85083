import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runOrThrow } from '../harness/coffer-command.ts'
import { cleanEnvironment } from '../harness/start-server.ts'

/** Where Debian, Fedora and Homebrew put it. */
const LIBRARIES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
]

export interface SoftHsm {
  readonly library: string
  readonly configFile: string
  readonly directory: string
  /** A token of its own, with this PIN. */
  addToken(label: string, pin: string): Promise<void>
  dispose(): void
}

/** SoftHSM 2 with its tokens in a directory of their own. The library reads SOFTHSM2_CONF when it is first used in a process. */
export function prepareSoftHsm(utility: string): SoftHsm {
  const library = LIBRARIES.find((path) => existsSync(path))
  if (library === undefined) throw new Error(`libsofthsm2.so is in none of ${LIBRARIES.join(', ')}`)
  const directory = mkdtempSync(join(tmpdir(), 'coffer-softhsm-'))
  const configFile = join(directory, 'softhsm2.conf')
  mkdirSync(join(directory, 'tokens'), { mode: 0o700 })
  writeFileSync(
    configFile,
    `directories.tokendir = ${join(directory, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  )
  return {
    library,
    configFile,
    directory,
    async addToken(label, pin) {
      const args = ['--init-token', '--free', '--label', label, '--pin', pin, '--so-pin', '87654321']
      await runOrThrow(utility, args, { env: cleanEnvironment({ SOFTHSM2_CONF: configFile }) })
    },
    dispose: () => rmSync(directory, { recursive: true, force: true }),
  }
}
