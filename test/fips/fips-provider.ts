import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { runOrThrow } from '../harness/coffer-command.ts'
import { cleanEnvironment } from '../harness/start-server.ts'

/** The one command that provides it. */
export const PROVIDER_COMMAND = '.ci/fips-provider'
const LIBRARIES = '/usr/lib'

/** OpenSSL's FIPS provider: where `.ci/fips-provider` puts it, or where Debian 13 does. Undefined: there is none here. */
export function findFipsProvider(): string | undefined {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const ofSystem = existsSync(LIBRARIES) ? readdirSync(LIBRARIES) : []
  const places = [
    join(cache, 'coffer/fips/fips.so'),
    ...ofSystem.map((name) => join(LIBRARIES, name, 'ossl-modules/fips.so')),
  ]
  return places.find((path) => existsSync(path))
}

/** What a process needs in its environment to run on the provider: the commands of docs/fips.md. */
export async function fipsEnvironment(
  programs: { openssl: string; module: string },
  directory: string,
): Promise<Record<string, string>> {
  const section = join(directory, 'fipsmodule.cnf')
  const args = ['fipsinstall', '-module', programs.module, '-out', section]
  await runOrThrow(programs.openssl, args, { env: cleanEnvironment({}) })
  const path = join(directory, 'openssl-fips.cnf')
  writeFileSync(
    path,
    [
      'nodejs_conf = nodejs_init',
      'config_diagnostics = 1',
      '[nodejs_init]',
      'providers = providers',
      'alg_section = algorithms',
      '[providers]',
      'fips = fips_sect',
      'base = base_sect',
      '[base_sect]',
      'activate = 1',
      '[algorithms]',
      'default_properties = fips=yes',
      `.include ${section}`,
      '',
    ].join('\n'),
  )
  return { OPENSSL_CONF: path, OPENSSL_MODULES: dirname(programs.module), NODE_OPTIONS: '--enable-fips' }
}
