import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { S3Client } from '@aws-sdk/client-s3'
import { PlacedBlobStore } from '@coffer/blob-store'
import { openFsBlobStore } from '@coffer/blob-store/drivers/fs'
import type { LifecyclePosition, LifecycleReport, MetadataService, ServiceName } from '@coffer/contracts'
import type { JobQueue } from '@coffer/job-queue'
import { createLogger, type Mesh } from '@coffer/mesh'
import { createGateway } from '@coffer/service-gateway'
import { createRotationService, provideRotation } from '@coffer/service-rotation'
import { s3Client } from '../harness/s3.ts'
import { type ServiceProcess, startServices, temporaryDirectory } from './one-process.ts'

const STEPS_MAX = 5_000

/** All services and a gateway in this process, with lifecycle rules applied as of whatever day a test says. */
export interface LifecycleGateway {
  readonly s3: S3Client
  readonly services: ServiceProcess
  /** Applies the rules as of so many days from now, to the end. */
  applyAfter(days: number): Promise<Counts>
  /** One step, as of so many days from now. */
  stepAfter(days: number, position?: LifecyclePosition): Promise<LifecyclePosition | undefined>
  /** Does this once, between the look at a version of this key and what is done by it. */
  onceFound(key: string, act: () => Promise<unknown>): void
  stop(): Promise<void>
}

/** What a whole walk did; what is zero is left out. */
export type Counts = Partial<Omit<LifecycleReport, 'versionsSeen'>>

export async function startLifecycleGateway(): Promise<LifecycleGateway> {
  const directory = await temporaryDirectory()
  const services = await startServices(directory.path)
  const { mesh, store } = services
  const blobs = PlacedBlobStore.of(await openFsBlobStore({ directory: join(directory.path, 'blobs') }))
  let daysAhead = 0
  const now = () => Date.now() + daysAhead * 86_400_000
  const whenFound = new Map<string, () => Promise<unknown>>()
  const interrupted = interrupting(mesh, async (key) => {
    const act = whenFound.get(key)
    whenFound.delete(key)
    await act?.()
  })
  await provideRotation(mesh, createRotationService({ mesh: interrupted, blobs, queue: {} as JobQueue, now }))
  const keys = { accessKeyId: 'AKLIFECYCLE', secretAccessKey: randomBytes(24).toString('base64url') }
  await mesh.use('iam').ensureRootAccount(keys)
  const writerId = randomBytes(8).toString('hex')
  await store.registerWriter(writerId)
  const gateway = await createGateway({
    mesh,
    blobs,
    writerId,
    region: 'us-east-1',
    domains: [],
    dataAlgorithm: 'AES-256-GCM',
    blockedEncryptionTypes: [],
    eventTargetsOpenTo: () => [],
    replicationDestinations: [],
    rateLimits: { rateLimitPerAddress: 0, rateLimitPerAccessKey: 0, failedSignaturesPerMinute: 0 },
    blocksPublicAccess: true,
    objectOwnership: 'BucketOwnerEnforced',
    allowsSignatureVersion2: false,
    accessLogSeconds: 300,
    websiteDomains: [],
    inlineSizeBytesMax: 128 * 1024,
    bucketLeaseMs: 0,
    logger: createLogger({ level: 'silent', name: 'test', json: true }),
  })
  const http = createServer((request, response) => gateway.handler(request, response))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const s3 = s3Client({ endpoint, caFile: '', ...keys })

  const step = async (days: number, position?: LifecyclePosition) => {
    daysAhead = days
    return await mesh.use('rotation').applyLifecycle(position ? { position } : {})
  }
  return {
    s3,
    services,
    async applyAfter(days) {
      const reports: LifecycleReport[] = []
      let position: LifecyclePosition | undefined
      for (let count = 0; count < STEPS_MAX; count++) {
        const { report, next } = await step(days, position)
        reports.push(report)
        if (next === undefined) return sumOf(reports)
        position = next
      }
      throw new Error('the walk does not end')
    },
    async stepAfter(days, position) {
      return (await step(days, position)).next
    },
    onceFound(key, act) {
      whenFound.set(key, act)
    },
    async stop() {
      s3.destroy()
      http.close()
      http.closeAllConnections()
      await gateway.close()
      await services.stop()
      await blobs.close()
      await directory.remove()
    },
  }
}

/** The mesh, with a pause after each look at a version. */
function interrupting(mesh: Mesh, pause: (key: string) => Promise<void>): Mesh {
  const metadata = new Proxy(mesh.use('metadata'), {
    get(target, name) {
      if (name !== 'findVersion') return Reflect.get(target, name)
      return async (...args: Parameters<MetadataService['findVersion']>) => {
        const found = await target.findVersion(...args)
        await pause(args[1])
        return found
      }
    },
  })
  return {
    use: (name: ServiceName) => (name === 'metadata' ? metadata : mesh.use(name)),
    recipient: () => mesh.recipient(),
    unparcel: (...args: Parameters<Mesh['unparcel']>) => mesh.unparcel(...args),
  } as unknown as Mesh
}

function sumOf(reports: readonly LifecycleReport[]): Counts {
  const counts: Record<string, number> = {}
  for (const { versionsSeen: _, failures: __, ...report } of reports) {
    for (const [name, count] of Object.entries(report)) if (count > 0) counts[name] = (counts[name] ?? 0) + count
  }
  const failures = reports.flatMap((report) => report.failures)
  return { ...counts, ...(failures.length > 0 && { failures }) }
}
