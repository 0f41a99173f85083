import { readFile } from 'node:fs/promises'
import type { Configuration } from '@coffer/config'
import { Secret } from '@coffer/crypto-core'
import { type Logger, Mesh } from '@coffer/mesh'
import type { Tracer } from '@coffer/tracing'
import { cofferError } from './errors.ts'
import type { MeshRole } from './local-mesh/roles.ts'
import { readMeshKeyFile } from './mesh-key.ts'
import type { ProcessMetrics } from './metrics/process-metrics.ts'

/** The mesh over NATS, as configured; `role` is what NATS may tell processes apart by. COFFER_NATS_NEEDED, COFFER_MESH_KEY_INVALID, MESH_... */
export async function connectMesh(
  configuration: Configuration,
  role: MeshRole,
  logger: Logger,
  { metrics, tracer }: { readonly metrics?: ProcessMetrics | undefined; readonly tracer?: Tracer | undefined } = {},
): Promise<Mesh> {
  const { natsUrl, natsUser, natsPasswordFile, natsCredentialsFile, meshKeyFile } = configuration
  if (natsUrl === undefined) throw cofferError('COFFER_NATS_NEEDED', 'give --nats <url> or COFFER_NATS_URL')
  if (meshKeyFile === undefined) {
    throw cofferError('COFFER_MESH_KEY_INVALID', 'give --mesh-key-file <path>; `coffer mesh-key` prints a new key')
  }
  const tls = tlsFilesOf(configuration)
  return await Mesh.start({
    logger,
    role,
    tracer,
    observerOf: metrics && ((action) => metrics.calls.meshObserver(action)),
    meshKey: await readMeshKeyFile(meshKeyFile),
    nats: {
      url: natsUrl,
      ...(natsUser !== undefined && { user: natsUser }),
      ...(natsPasswordFile !== undefined && { password: await readPassword(natsPasswordFile) }),
      ...(natsCredentialsFile !== undefined && { credentialsFile: natsCredentialsFile }),
      ...(Object.keys(tls).length > 0 && { tls }),
    },
  })
}

function tlsFilesOf({ natsCaFile, natsCertFile, natsKeyFile }: Configuration) {
  return {
    ...(natsCaFile !== undefined && { caFile: natsCaFile }),
    ...(natsCertFile !== undefined && { certFile: natsCertFile }),
    ...(natsKeyFile !== undefined && { keyFile: natsKeyFile }),
  }
}

async function readPassword(path: string): Promise<Secret> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw cofferError('COFFER_NATS_NEEDED', `cannot read the password file ${path}`, { path }, { cause })
  })
  return Secret.take(Buffer.from(bytes.toString('utf8').trimEnd(), 'utf8'))
}
