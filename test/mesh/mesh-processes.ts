import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { coffer } from '../harness/coffer-command.ts'
import { freePort } from '../harness/free-port.ts'
import { type ProcessGroup, startGroup } from '../harness/process-group.ts'
import type { ClientTarget } from '../harness/s3.ts'
import { COFFER, cleanEnvironment, REPOSITORY } from '../harness/start-server.ts'
import type { NatsServer } from './nats-server.ts'

const READY_TIMEOUT_MS = 120_000

export interface MeshProcesses {
  readonly gateways: readonly ClientTarget[]
  readonly groups: ReadonlyMap<string, ProcessGroup>
  /** Where each process tells of itself, `host:port`. */
  readonly healthAddresses: ReadonlyMap<string, string>
  readonly env: NodeJS.ProcessEnv
  readonly meshKey: string
  /** Another process in the place of one, on the same port, with `more` settings than the first had; resolves when it is ready. */
  replace(name: string, more?: Readonly<Record<string, string>>): Promise<void>
  logs(): string
  stop(): Promise<void>
}

export interface MeshPlan {
  /** Services beside those that every mesh has. */
  readonly more?: readonly string[]
  /** Settings of one process, by its name: `gateway 1`, `kms`. */
  readonly of?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** The checkout whose code the first processes run. Default: this one, which those of `replace` always run. */
  readonly repository?: string
}

/** Two gateways and one of each other service, each a process of its own, over one data directory and one NATS server. */
export async function startMesh(
  nats: NatsServer,
  directory: string,
  settings: Readonly<Record<string, string>> = {},
  { more = [], of = {}, repository = REPOSITORY }: MeshPlan = {},
): Promise<MeshProcesses> {
  const { stdout: meshKey } = await coffer(['mesh-key'], cleanEnvironment({}))
  const meshKeyFile = join(directory, 'mesh.key')
  writeFileSync(meshKeyFile, meshKey, { mode: 0o600 })
  const dataDir = join(directory, 'data')
  const accessKeyId = `AK${randomBytes(9).toString('hex').toUpperCase()}`
  const secretAccessKey = randomBytes(24).toString('base64url')
  const env = cleanEnvironment({
    COFFER_DATA_DIR: dataDir,
    COFFER_ROOT_ACCESS_KEY_ID: accessKeyId,
    COFFER_ROOT_SECRET_ACCESS_KEY: secretAccessKey,
    COFFER_NATS_URL: nats.url,
    COFFER_NATS_USER: nats.user,
    COFFER_NATS_PASSWORD_FILE: nats.passwordFile,
    COFFER_NATS_CA_FILE: nats.caFile,
    COFFER_MESH_KEY_FILE: meshKeyFile,
    ...settings,
  })
  const groups = new Map<string, ProcessGroup>()
  const healthAddresses = new Map<string, string>()
  const settingsOf = new Map<string, Record<string, string>>()
  let earlierLogs = ''
  const start = async (name: string, own: Readonly<Record<string, string>> = {}, cwd = repository): Promise<void> => {
    const [service = ''] = name.split(' ')
    const health = `127.0.0.1:${await freePort()}`
    healthAddresses.set(name, health)
    settingsOf.set(name, { ...of[name], ...own })
    const environment = { ...env, ...settingsOf.get(name), COFFER_HEALTH_ADDRESS: health }
    const args = [join(cwd, relative(REPOSITORY, COFFER)), 'service', service]
    groups.set(name, startGroup(process.execPath, args, { env: environment, cwd }))
  }
  const stop = async () => {
    for (const group of [...groups.values()].reverse()) await group.stop()
  }
  const gateways: ClientTarget[] = []
  try {
    for (const service of ['metadata', 'kms', 'crypto', 'iam']) await start(service)
    await untilReady(groups)
    for (const service of ['rotation', ...more]) await start(service)
    for (const name of ['gateway 1', 'gateway 2']) {
      const port = await freePort()
      await start(name, { COFFER_ADDRESS: `127.0.0.1:${port}` })
      const caFile = join(dataDir, 'certs', 'public.crt')
      gateways.push({ endpoint: `https://127.0.0.1:${port}`, caFile, accessKeyId, secretAccessKey })
    }
    await untilReady(groups)
  } catch (error) {
    await stop()
    throw error
  }

  return {
    gateways,
    groups,
    healthAddresses,
    env,
    meshKey: meshKey.trim(),
    async replace(name, own = {}) {
      earlierLogs += `--- ${name}, before\n${groups.get(name)?.logs()}\n`
      await start(name, { ...settingsOf.get(name), ...own }, REPOSITORY)
      await untilReady(new Map([...groups].filter(([other]) => other === name)))
    },
    logs: () => earlierLogs + [...groups].map(([name, group]) => `--- ${name}\n${group.logs()}`).join('\n'),
    stop,
  }
}

async function untilReady(groups: ReadonlyMap<string, ProcessGroup>): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS
  for (const [name, group] of groups) {
    while (!/coffer \w+ is ready/.test(group.logs())) {
      if (group.exited() || Date.now() > deadline) throw new Error(`${name} did not start:\n${group.logs()}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
