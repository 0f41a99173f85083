import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { run, runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { cleanEnvironment, REPOSITORY, temporaryDirectory } from '../harness/start-server.ts'
import { natsUsers } from './nats-users.ts'

interface Service {
  readonly image: string
  readonly command?: string | readonly string[]
  readonly environment?: Record<string, string>
  readonly restart: string
  readonly mem_limit: string
  readonly security_opt: readonly string[]
  readonly logging: object
  readonly secrets?: readonly (string | { source: string; target: string })[]
  readonly volumes?: readonly string[]
  readonly networks?: readonly string[] | Record<string, object>
}

interface Compose {
  readonly services: Record<string, Service>
  readonly secrets: Record<string, { file: string }>
  readonly volumes: Record<string, object>
  readonly networks: Record<string, object>
}

const COMPOSE = join(REPOSITORY, 'infra/compose')
/** Those that end. */
const RESTARTS: Record<string, string> = { operator: 'no', 'object-store-setup': 'on-failure' }
const FILES = ['compose.yaml', 'single.yaml']
const env = cleanEnvironment({})
const composeOf = (name: string): Compose => parse(readFileSync(join(COMPOSE, name), 'utf8'), { merge: true })
const services = FILES.flatMap((name) => Object.entries(composeOf(name).services))

describe('infra/compose', () => {
  it('bounds every container, starts it again, lets it gain nothing, and has no image of just any version', () => {
    for (const [name, service] of services) {
      expect(service.restart, name).toBe(RESTARTS[name] ?? 'unless-stopped')
      expect(service.mem_limit, name).toMatch(/^\d+[mg]$/)
      expect(service.security_opt, name).toEqual(['no-new-privileges:true'])
      expect(service.logging, name).toMatchObject({ options: { 'max-size': '10m' } })
      expect(service.image, name).toMatch(/^(coffer|[a-z]+:\d[\d.]*)$/)
    }
  })

  it('has no secret in a variable or an argument', () => {
    for (const [name, { environment = {}, command = '' }] of services) {
      const secrets = Object.keys(environment).filter(
        (key) => /PASSWORD|SECRET|KEY/.test(key) && !key.endsWith('_FILE'),
      )
      expect(secrets, name).toEqual([])
      expect(String(command), name).not.toMatch(/requirepass|password/i)
    }
  })

  it('gives the root key to kms alone', () => {
    const holders = Object.entries(composeOf('compose.yaml').services).filter(([, { secrets = [] }]) =>
      secrets.includes('root.key'),
    )
    expect(holders.map(([name]) => name)).toEqual(['kms'])
  })

  it('gives the keys of the object store to itself and to what sets it up, and lets gateways and rotation alone reach it', () => {
    const { services, networks } = composeOf('compose.yaml')
    const holders = (secret: string) =>
      Object.entries(services)
        .filter(([, { secrets = [] }]) => secrets.some((one) => typeof one === 'object' && one.source === secret))
        .map(([name]) => name)
    expect(holders('object-store-root.key')).toEqual(['object-store'])
    expect(holders('object-store-root-credentials')).toEqual(['object-store', 'object-store-setup'])
    const internal = { internal: true }
    expect(networks).toEqual({ 'object-store': internal, database: internal, queue: internal })
    const on = (network: string) =>
      Object.entries(services)
        .filter(([, { networks = [] }]) => Array.isArray(networks) && networks.includes(network))
        .map(([name]) => name)
        .sort()
    expect(on('object-store')).toEqual(['gateway-1', 'gateway-2', 'object-store', 'object-store-setup', 'rotation'])
    // What clients reach does not reach them, whatever becomes of it.
    expect(on('database')).toEqual(['metadata', 'postgres'])
    expect(on('queue')).toEqual(['redis', 'rotation'])
    for (const name of ['postgres', 'redis', 'object-store']) expect(services[name]?.networks).not.toContain('default')
  })

  it("gives the password of PostgreSQL's administrator to that alone", () => {
    const { services } = composeOf('compose.yaml')
    const holders = Object.entries(services).filter(([, { secrets = [] }]) =>
      secrets.includes('postgres-admin.password'),
    )
    expect(holders.map(([name]) => name)).toEqual(['postgres'])
    expect(services.metadata?.environment?.COFFER_METADATA_URL).toContain('postgres://coffer@')
    expect(services.postgres?.environment?.POSTGRES_USER).not.toBe('coffer')
  })
})

describeWithPrograms('infra/compose/make-secrets.sh', ['nats-server', 'openssl'], (programs) => {
  const directory = temporaryDirectory('compose')
  const compose = join(directory, 'infra/compose')
  const secrets = join(compose, 'secrets')
  const read = (name: string) => readFileSync(join(secrets, name), 'utf8')
  beforeAll(async () => {
    mkdirSync(compose, { recursive: true })
    // A folder that was there, open to everybody.
    mkdirSync(secrets)
    chmodSync(secrets, 0o755)
    for (const name of ['make-secrets.sh', 'make-object-store.ts', 'postgres-user.sh'])
      cpSync(join(COMPOSE, name), join(compose, name))
    cpSync(join(REPOSITORY, 'infra/kubernetes'), join(directory, 'infra/kubernetes'), { recursive: true })
    await runOrThrow('/bin/sh', [join(compose, 'make-secrets.sh'), 'DNS:s3.example.org'], { env })
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it('makes every file that the compose files name', () => {
    for (const name of FILES) {
      const { services, secrets } = composeOf(name)
      const mounts = Object.values(services).flatMap(({ volumes = [] }) => volumes)
      const sources = mounts.map((mount) => mount.split(':')[0] ?? '').filter((source) => source.startsWith('.'))
      const paths = [...Object.values(secrets).map(({ file }) => file), ...sources]
      for (const path of paths) expect(statSync(join(compose, path), { throwIfNoEntry: false }), path).toBeDefined()
    }
  })

  it('keeps other users of the machine out, and lets containers read the single files', () => {
    expect(statSync(secrets).mode & 0o777).toBe(0o700)
    expect(statSync(join(secrets, 'ca.key')).mode & 0o777).toBe(0o600)
    expect(statSync(join(secrets, 'redis.key')).mode & 0o777).toBe(0o644)
  })

  it('shows no secret in the arguments of a program', async () => {
    const commands = join(directory, 'bin')
    const seen = join(directory, 'arguments')
    const again = join(directory, 'infra/again')
    mkdirSync(commands)
    cpSync(join(compose, 'make-secrets.sh'), join(again, 'make-secrets.sh'))
    const path = String(env.PATH)
    for (const program of ['openssl', 'sh', 'sed', 'cat', 'cp', 'mv', 'chmod', 'chown', 'tr', 'mkdir', 'rm', 'id']) {
      const text = `#!/bin/sh\nprintf '%s\\n' "$*" >>'${seen}'\nPATH='${path}' exec ${program} "$@"\n`
      writeFileSync(join(commands, program), text, { mode: 0o755 })
    }
    const watched = { env: { ...env, PATH: `${commands}:${path}` } }
    await runOrThrow('/bin/sh', [join(again, 'make-secrets.sh')], watched)
    const told = readFileSync(seen, 'utf8')
    expect(told).toContain('rand -hex 24')
    const made = readdirSync(join(again, 'secrets'))
    const values = made
      .filter((name) => /password$|root-credentials$|root\.key$|mesh\.key$/.test(name))
      .flatMap((name) =>
        readFileSync(join(again, 'secrets', name), 'utf8')
          .trim()
          .split(/\n|=(?=.)/),
      )
      .filter((value) => value.length > 20 && !value.startsWith('COFFER_'))
    expect(values.length).toBeGreaterThan(10)
    for (const value of values) expect(told).not.toContain(value)
  })

  it('makes a certificate for the names that it is given, which its authority vouches for', async () => {
    const certificate = join(secrets, 'gateway/public.crt')
    await runOrThrow(programs.openssl, ['verify', '-CAfile', join(secrets, 'ca.crt'), certificate], { env })
    const { stdout } = await run(programs.openssl, ['x509', '-in', certificate, '-noout', '-ext', 'subjectAltName'], {
      env,
    })
    for (const name of ['localhost', '127.0.0.1', 's3.example.org']) expect(stdout).toContain(name)
  })

  it('run again, keeps what there is, and gives NATS the permissions of now', async () => {
    const files = [
      'root.key',
      'object-store/root.key',
      'mesh.key',
      'redis.conf',
      'root-credentials',
      'ca.crt',
      'gateway/public.crt',
    ]
    const before = files.map(read)
    rmSync(join(secrets, 'nats-users.conf'))
    await runOrThrow('/bin/sh', [join(compose, 'make-secrets.sh')], { env })
    expect(files.map(read)).toEqual(before)
    const users = natsUsers().replace(/\$NATS_PASSWORD_(\w+)/g, (_, role: string) =>
      JSON.stringify(read(`nats-${role.toLowerCase()}.password`).trim()),
    )
    expect(read('nats-users.conf')).toBe(users)
  })

  it('makes a NATS configuration that nats-server takes, in containers and in pods', async () => {
    const config = join(directory, 'nats.conf')
    const text = readFileSync(join(REPOSITORY, 'infra/kubernetes/nats.conf'), 'utf8')
      .replaceAll('/etc/nats-tls/tls', join(secrets, 'nats'))
      .replaceAll('/etc/nats-tls/ca.crt', join(secrets, 'ca.crt'))
    const check = async (users: string, settings: Record<string, string>) => {
      cpSync(users, join(directory, 'users.conf'))
      const { code } = await run(programs['nats-server'], ['-t', '-c', config], {
        env: { ...env, NATS_NAME: 'nats-0', ...settings },
      })
      return code
    }
    writeFileSync(config, text)
    expect(await check(join(secrets, 'nats-users.conf'), {})).toBe(0)
    const inPods = join(REPOSITORY, 'infra/kubernetes/users.conf')
    const roles = [...natsUsers().matchAll(/\$(NATS_PASSWORD_\w+)/g)].map(([, name]) => name as string)
    const passwords = Object.fromEntries(roles.map((name) => [name, 'password']))
    expect(roles.length).toBe(8)
    expect(await check(inPods, passwords)).toBe(0)
    const { NATS_PASSWORD_KMS: _, ...withoutOne } = passwords
    expect(await check(inPods, withoutOne)).not.toBe(0)
  })
})
