import { readdirSync } from 'node:fs'
import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { s3Client } from '../harness/s3.ts'
import { type CofferServer, startServer, temporaryDirectory } from '../harness/start-server.ts'
import { type ProviderProxy, startProviderProxy } from './provider-proxy.ts'
import { endpointOf, newBucketAt, storeAt, writeBlobsFile } from './s3-endpoint.ts'

/** A server with a store for each of three kinds of classes: its data directory, another directory, an S3 endpoint. */
export interface ClassStores {
  readonly server: CofferServer
  /** Before the S3 endpoint. */
  readonly proxy: ProviderProxy
  readonly slowPath: string
  /** What the server's COFFER_BLOBS_FILE says. */
  readonly configuration: {
    readonly stores: Readonly<Record<string, object>>
    readonly classes: Readonly<Record<string, string>>
  }
  /** Names of the blobs in each. */
  inFirst(): string[]
  inSlow(): string[]
  inCloud(): Promise<string[]>
  dispose(): Promise<void>
}

export async function startClassStores(options: { workers: number }): Promise<ClassStores> {
  const provider = endpointOf(await startServer({ workers: 1, env: { COFFER_ALLOW_HTTP: 'true' } }))
  const atProvider = s3Client(provider)
  const place = await newBucketAt(provider)
  const proxy = await startProviderProxy(provider.endpoint)
  const slowPath = temporaryDirectory('slow-store')
  const viaProxy = { ...provider, endpoint: proxy.endpoint, isSecure: false }
  const configuration = {
    stores: { slow: { type: 'directory', path: slowPath }, cloud: storeAt(viaProxy, place, { prefix: 'cold/' }) },
    classes: { STANDARD_IA: 'slow', ONEZONE_IA: 'slow', GLACIER_IR: 'cloud' },
  }
  const server = await startServer({ ...options, env: { COFFER_BLOBS_FILE: writeBlobsFile(configuration) } })
  return {
    server,
    proxy,
    slowPath,
    configuration,
    inFirst: () => blobsBelow(`${server.dataDir}/blobs`),
    inSlow: () => blobsBelow(slowPath),
    async inCloud() {
      const { Contents = [] } = await atProvider.send(new ListObjectsV2Command({ Bucket: place }))
      const names = Contents.map(({ Key = '' }) => Key)
      const isDeleted = (name: string) => names.includes(name.replace('/blobs/', '/deleted/'))
      return names.filter((name) => name.startsWith('cold/blobs/') && !isDeleted(name))
    },
    async dispose() {
      proxy.isAway = false
      await server.dispose()
      await proxy.stop()
      await provider.stop()
    },
  }
}

/** Files of a blob directory, without the mark of whose it is. */
function blobsBelow(path: string): string[] {
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => /\/[0-9a-f]{16}-/.test(name)).sort()
}
