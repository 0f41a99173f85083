import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { type ProcessGroup, startGroup } from '../harness/process-group.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { cleanEnvironment, serverForSuite, temporaryDirectory, waitUntilReady } from '../harness/start-server.ts'
import { documented, documentedVariables } from './documented.ts'
import { digests } from './real-files.ts'

const TIMEOUT_MS = 120_000
/** More than the registry sends in one part (10 MiB), and more than two. */
const LAYER_BYTES = 23 * 1024 * 1024

const server = await serverForSuite()
const s3 = s3Client(server)

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** An image as a folder (OCI image layout): one layer of random bytes, its configuration, its manifest. */
function makeImage(directory: string): Descriptor {
  const blobs = join(directory, 'blobs/sha256')
  mkdirSync(blobs, { recursive: true })
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
  const blob = (kind: string, bytes: Uint8Array): Descriptor => {
    writeFileSync(join(blobs, sha256(bytes)), bytes)
    return { mediaType: `application/vnd.oci.image.${kind}`, digest: `sha256:${sha256(bytes)}`, size: bytes.length }
  }
  const json = (value: object): Buffer => Buffer.from(JSON.stringify(value))

  const files = randomBytes(LAYER_BYTES)
  const layer = blob('layer.v1.tar+gzip', gzipSync(files, { level: 1 }))
  const rootfs = { type: 'layers', diff_ids: [`sha256:${sha256(files)}`] }
  const config = blob('config.v1+json', json({ architecture: 'amd64', os: 'linux', rootfs }))
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = blob('manifest.v1+json', json({ schemaVersion: 2, mediaType, config, layers: [layer] }))
  const annotations = { 'org.opencontainers.image.ref.name': 'made' }
  writeFileSync(join(directory, 'index.json'), json({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }))
  writeFileSync(join(directory, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }))
  return manifest
}

describeWithPrograms('a container registry', ['docker-registry', 'skopeo'], (programs) => {
  const directory = temporaryDirectory('registry')
  const configFile = join(directory, 'config.yml')
  const { AWS_CA_BUNDLE: _unset, ...credentials } = documentedVariables('AWS CLI and SDKs', server)
  const own = documentedVariables('A container registry', server)
  const env = cleanEnvironment({ ...credentials, ...own, HOME: directory, OTEL_TRACES_EXPORTER: 'none' })
  let bucket = ''
  let address = ''
  let registry: ProcessGroup

  beforeAll(async () => {
    bucket = await newBucket(s3)
    address = `127.0.0.1:${await freePort()}`
    const config = documented('A container registry', 'yaml', server)
    writeFileSync(
      configFile,
      config.replace('bucket: registry', `bucket: ${bucket}`).replace('127.0.0.1:5000', address),
    )
    registry = startGroup(programs['docker-registry'], ['serve', configFile], { env, cwd: directory })
    await waitUntilReady(registry, `http://${address}/v2/`, '')
  })

  afterAll(async () => {
    await registry.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  const skopeo = async (...args: string[]): Promise<string> => {
    const policy = ['--insecure-policy', '--tmpdir', directory]
    return (await runOrThrow(programs.skopeo, [...policy, ...args], { env, timeoutMs: TIMEOUT_MS })).stdout
  }

  const storedBytes = async (): Promise<number> => {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }))
    return Contents.reduce((sum, { Size = 0 }) => sum + Size, 0)
  }

  it(
    'takes an image, gives it back to the byte, and forgets it',
    async () => {
      const image = join(directory, 'image')
      const manifest = makeImage(image)
      const name = `docker://${address}/team/app`
      await skopeo('copy', '--dest-tls-verify=false', `oci:${image}:made`, `${name}:1`)
      await skopeo('copy', '--src-tls-verify=false', '--dest-tls-verify=false', `${name}:1`, `${name}:2`)
      expect(await storedBytes()).toBeGreaterThan(LAYER_BYTES)
      expect(JSON.parse(await skopeo('list-tags', '--tls-verify=false', name))).toMatchObject({ Tags: ['1', '2'] })

      const back = join(directory, 'back')
      await skopeo('copy', '--src-tls-verify=false', `${name}:2`, `oci:${back}:made`)
      expect(digests(join(back, 'blobs'))).toEqual(digests(join(image, 'blobs')))
      expect(readFileSync(join(back, 'index.json'), 'utf8')).toContain(manifest.digest)

      await skopeo('delete', '--tls-verify=false', `${name}:1`)
      await runOrThrow(programs['docker-registry'], ['garbage-collect', configFile], { env, timeoutMs: TIMEOUT_MS })
      expect(await storedBytes()).toBeLessThan(LAYER_BYTES)
    },
    TIMEOUT_MS,
  )
})
