import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Configuration, HostPort } from '@coffer/config'
import { createLogger } from '@coffer/mesh'
import { renderMeshBanner } from '../banner.ts'
import { defaultCertificatePath } from '../certificates/certificate-files.ts'
import { openDataDirectory } from '../data-directory.ts'
import { writeDurably } from '../durable-file.ts'
import { newMeshKeyText } from '../mesh-key.ts'
import { configuredRootCredentials, readRootCredentials, rootCredentialsPath } from '../root-credentials.ts'
import { stopSignal } from '../stop-signal.ts'
import { type MeshProcess, MeshProcesses } from './mesh-processes.ts'
import { type NatsServer, startNatsServer } from './nats-server.ts'
import { environmentOf } from './role-environment.ts'
import type { MeshRole } from './roles.ts'

const GATEWAYS = 2

/**
 * The whole mesh on this machine: a NATS server, every service in a process of its own, two gateways; what `coffer server` does
 * in a few processes, done as in a data centre. `flags` are the command's own, which each process gets. Resolves when it has been told to stop, and everything has.
 */
export async function runLocalMesh(configuration: Configuration, flags: readonly string[]): Promise<void> {
  const logger = createLogger({
    level: configuration.logLevel,
    name: 'mesh',
    json: configuration.logFormat === 'json',
  })
  await using cleanup = new AsyncDisposableStack()
  const directory = await openDataDirectory(configuration.dataDir, { exclusive: false })
  cleanup.defer(() => directory.release())
  const hadCredentials = (await readRootCredentials(rootCredentialsPath(directory.secretsDirectory))) !== undefined
  const meshDirectory = join(directory.path, 'mesh')
  await mkdir(meshDirectory, { recursive: true, mode: 0o700 })
  const meshKeyFile = join(meshDirectory, 'mesh.key')
  await writeDurably(meshKeyFile, `${newMeshKeyText()}\n`, 0o600)
  const nats = configuration.natsUrl === undefined ? await startNatsServer(join(meshDirectory, 'nats')) : undefined
  cleanup.defer(() => {
    nats?.process.kill('SIGTERM')
  })

  const { healthAddress } = configuration
  let count = 0
  const processOf = (name: string, role: Exclude<MeshRole, 'operator'>, address: string): MeshProcess => ({
    name,
    service: role,
    flags: [
      ...flags,
      ...['--data-dir', directory.path, '--mesh-key-file', meshKeyFile, '--address', address],
      ...(healthAddress ? ['--health-address', addressAfter(healthAddress, count++)] : []),
    ],
    environment: { ...environmentOf(role, process.env), ...(nats && natsSettings(nats, role)) },
  })
  const addressOf = (index: number): string => addressAfter(configuration.address, index)
  const service = (role: Exclude<MeshRole, 'operator'>): MeshProcess => processOf(role, role, addressOf(0))
  /** Who stands on whom: stopped from the last to the first. Health addresses are in this order, gateways last (docs/mesh.md). */
  const stages = [
    [service('metadata')],
    [service('kms')],
    [service('crypto'), service('iam')],
    [service('rotation'), service('events')],
  ]
  const gateways = Array.from({ length: GATEWAYS }, (_, index) =>
    processOf(`gateway ${index + 1}`, 'gateway', addressOf(index)),
  )
  stages.at(-1)?.push(...gateways)
  const processes = new MeshProcesses(logger)
  cleanup.defer(() => processes.stop(stages))
  // Each waits for those that it needs.
  const said = await processes.start(stages.flat())
  const credentialsPath = rootCredentialsPath(directory.secretsDirectory)
  const configured = await configuredRootCredentials(configuration)
  const kept = configured === undefined ? await readRootCredentials(credentialsPath) : undefined
  process.stdout.write(
    renderMeshBanner({
      configuration,
      ports: gateways.map(({ name }) => Number(/\d+/.exec(said.get(name) ?? '')?.[0] ?? 0)),
      dataPath: directory.path,
      caPath: defaultCertificatePath(directory.certsDirectory),
      rootKeyOrigin: (said.get('kms') ?? '').replace(/^root key /, ''),
      credentials: kept
        ? { accessKeyId: kept.accessKeyId, path: credentialsPath, ...(!hadCredentials && { made: kept }) }
        : { ...(configured !== undefined && { accessKeyId: configured.accessKeyId }) },
      isTerminal: process.stdout.isTTY,
      operatorSettings: environmentLines(nats, directory.path, meshKeyFile),
    }),
  )
  logger.info({ signal: await stopSignal() }, 'stopping')
}

/** Each of several processes on one machine has a port of its own. */
function addressAfter({ host, port }: HostPort, index: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port === 0 ? 0 : port + index}`
}

function natsSettings(nats: NatsServer, role: MeshRole): Record<string, string> {
  return {
    COFFER_NATS_URL: nats.url,
    COFFER_NATS_USER: role,
    COFFER_NATS_PASSWORD_FILE: nats.passwordFileOf(role),
    COFFER_NATS_CA_FILE: nats.caFile,
  }
}

/** What `coffer key`, `coffer account` and the like need to reach this mesh. */
function environmentLines(nats: NatsServer | undefined, dataDir: string, meshKeyFile: string): string {
  const settings = {
    COFFER_DATA_DIR: dataDir,
    COFFER_MESH_KEY_FILE: meshKeyFile,
    ...(nats && natsSettings(nats, 'operator')),
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
}
