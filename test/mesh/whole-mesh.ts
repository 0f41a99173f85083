import { rmSync } from 'node:fs'
import type { S3Client } from '@aws-sdk/client-s3'
import { s3Client } from '../harness/s3.ts'
import { temporaryDirectory } from '../harness/start-server.ts'
import { type MeshPlan, type MeshProcesses, startMesh } from './mesh-processes.ts'
import { type NatsServer, startNats } from './nats-server.ts'

export const MESH_PROGRAMS = ['nats-server', 'openssl'] as const

export interface WholeMesh {
  readonly directory: string
  readonly nats: NatsServer
  readonly mesh: MeshProcesses
  /** A client of each gateway. */
  readonly clients: readonly [S3Client, S3Client]
  stop(): Promise<void>
}

/** A NATS server and a mesh on it, in a directory of their own. `settings`: of all processes, told where that is. */
export async function startWholeMesh(
  name: string,
  programs: Record<(typeof MESH_PROGRAMS)[number], string>,
  settings: (directory: string) => Record<string, string> | Promise<Record<string, string>> = () => ({}),
  plan: MeshPlan = {},
): Promise<WholeMesh> {
  const directory = temporaryDirectory(name)
  const nats = await startNats({ nats: programs['nats-server'], openssl: programs.openssl }, directory)
  const end = async () => {
    await nats.group.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    const mesh = await startMesh(nats, directory, await settings(directory), plan)
    const [one, two] = mesh.gateways.map((gateway) => s3Client(gateway))
    if (one === undefined || two === undefined) throw new Error('a mesh has two gateways')
    const stop = async () => {
      for (const client of [one, two]) client.destroy()
      await mesh.stop()
      await end()
    }
    return { directory, nats, mesh, clients: [one, two], stop }
  } catch (error) {
    await end()
    throw error
  }
}
