import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '@coffer/crypto-core'
import type { KmsConnector, RemovableRecords } from '@coffer/kms'
import { DomainKey, openLocalConnector, sealedRecords } from '@coffer/kms/connectors/local'
import { createLogger, Mesh } from '@coffer/mesh'
import type { MetadataStore } from '@coffer/metadata-store'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'
import { createCryptoService, provideCrypto } from '@coffer/service-crypto'
import { createIamService, provideIam } from '@coffer/service-iam'
import { createKmsService, provideKms } from '@coffer/service-kms'
import { provideMetadata } from '@coffer/service-metadata'
import { afterEach, beforeEach } from 'vitest'

export interface ServiceProcess {
  readonly mesh: Mesh
  readonly store: MetadataStore
  /** Names of the KMS connector's methods that were called. */
  readonly kmsCalls: string[]
  stop(): Promise<void>
}

/** The services of one worker over a real store in `directory`, as many times at once as a machine has workers. */
export async function startServices(directory: string, now?: () => number): Promise<ServiceProcess> {
  const mesh = await Mesh.start({ logger: createLogger({ level: 'silent', name: 'test', json: true }) })
  const store = await openLmdbStore({ directory })
  const kmsCalls: string[] = []
  const records: RemovableRecords = {
    find: (id) => store.findRecord('keys', id),
    put: async (id, value, revision) => {
      await store.putRecord('keys', id, value, revision)
    },
    list: (query) => store.listRecords('keys', query),
    remove: (id) => store.deleteRecord('keys', id),
    change: (changes) => store.changeRecords('keys', changes),
  }
  const domainKey = await DomainKey.open(Secret.copyOf(new Uint8Array(32).fill(9)), records)
  const connector = openLocalConnector({ domainKey }, { name: 'local', records })
  await provideMetadata(mesh, store)
  await provideKms(
    mesh,
    createKmsService({
      mesh,
      connectors: [counted(connector, kmsCalls)],
      defaultConnector: 'local',
      records: sealedRecords(records, domainKey),
    }),
  )
  await provideCrypto(mesh, createCryptoService({ mesh, ...(now && { now }) }))
  await provideIam(mesh, createIamService({ mesh, staleMsMax: 0 }))
  return {
    mesh,
    store,
    kmsCalls,
    async stop() {
      await mesh.stop()
      await store.close()
    },
  }
}

export async function temporaryDirectory(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'coffer-services-'))
  return { path, remove: () => rm(path, { recursive: true }) }
}

function counted(connector: KmsConnector, calls: string[]): KmsConnector {
  return new Proxy(connector, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        calls.push(String(name))
        return value.apply(target, args)
      }
    },
  })
}

/** For each test of the suite two processes over a store of its own, handed to `begin` before it with the store's directory. */
export function twoProcessesForEach(
  begin: (one: ServiceProcess, other: ServiceProcess, directory: string) => void | Promise<void>,
): void {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>
  let processes: readonly [ServiceProcess, ServiceProcess]
  beforeEach(async () => {
    directory = await temporaryDirectory()
    processes = [await startServices(directory.path), await startServices(directory.path)]
    await begin(...processes, directory.path)
  })
  afterEach(async () => {
    for (const process of processes) await process.stop()
    await directory.remove()
  })
}
