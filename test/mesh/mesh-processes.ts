import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { coffer } from '../harness/coffer-command.ts'
import { freePort } from '../harness/free-port.ts'
import { type ProcessGroup, startGroup } from '../harness/process-group.ts'
import type { ClientTarget } from '../harness/s3.ts'
import { COFFER, cleanEnvironment, REPOSITORY } from '../harness/start-server.ts'
import type { NatsServer } from './nats-server.ts'

const READY_TIMEOUT_MS = 60_000

export interface MeshProcesses {
  readonly gateways: readonly ClientTarget[]
  readonly groups: ReadonlyMap<string, ProcessGroup>
  /** Where each process tells of itself, `host:port`. */
  readonly healthAddresses: ReadonlyMap<string, string>
  readonly env: NodeJS.ProcessEnv
  readonly meshKey: string
  logs(): string
  stop(): Promise<void>
}

/** Two gateways and one of each other service, each a process of its own, over one data directory and one NATS server. */
export async function startMesh(
  nats: NatsServer,
  directory: string,
  settings: Readonly<Record<string, string>> = {},
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
  const start = async (name: string, service: string, more: Record<string, string> = {}): Promise<void> => {
    const args = [COFFER, 'service', service]
    const health = `127.0.0.1:${await freePort()}`
    healthAddresses.set(name, health)
    const settings = { ...env, COFFER_HEALTH_ADDRESS: health, ...more }
    groups.set(name, startGroup(process.execPath, args, { env: settings, cwd: REPOSITORY }))
  }
  for (const service of ['metadata', 'kms', 'crypto', 'iam']) await start(service, service)
  await untilReady(groups)
  await start('rotation', 'rotation')
  const gateways: ClientTarget[] = []
  for (const name of ['gateway 1', 'gateway 2']) {
    const port = await freePort()
    await start(name, 'gateway', { COFFER_ADDRESS: `127.0.0.1:${port}` })
    const caFile = join(dataDir, 'certs', 'public.crt')
    gateways.push({ endpoint: `https://127.0.0.1:${port}`, caFile, accessKeyId, secretAccessKey })
  }
  await untilReady(groups)
  return {
    gateways,
    groups,
    healthAddresses,
    env,
    meshKey: meshKey.trim(),
    logs: () => [...groups].map(([name, group]) => `--- ${name}\n${group.logs()}`).join('\n'),
    async stop() {
      for (const group of [...groups.values()].reverse()) await group.stop()
    },
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
