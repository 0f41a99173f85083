import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { temporaryDirectory } from '../harness/start-server.ts'
import { callKms } from '../kms-api/kms-client.ts'
import { OtlpCollector, type ReceivedSpan } from '../tracing/otlp-collector.ts'
import { type MeshProcesses, startMesh } from './mesh-processes.ts'
import { type NatsServer, startNats } from './nats-server.ts'

describeWithPrograms('traces over NATS', ['nats-server', 'openssl'], (programs) => {
  const directory = temporaryDirectory('mesh-traces')
  const collector = new OtlpCollector()
  let nats: NatsServer
  let mesh: MeshProcesses
  let s3: S3Client

  beforeAll(async () => {
    await collector.start()
    nats = await startNats({ nats: programs['nats-server'], openssl: programs.openssl }, directory)
    mesh = await startMesh(nats, directory, {
      COFFER_TRACES_ENDPOINT: collector.endpoint,
      COFFER_TRACES_SAMPLE_RATIO: '1',
    })
    const [gateway] = mesh.gateways
    if (gateway === undefined) throw new Error('a gateway is needed')
    s3 = s3Client(gateway)
  })

  afterAll(async () => {
    s3?.destroy()
    await mesh?.stop()
    await nats?.group.stop()
    await collector.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  /** Both sides of a call that one process makes to another, each of which says what it is part of. */
  async function callBetween(from: ReceivedSpan, name: string, to: string): Promise<ReceivedSpan> {
    const asked = await collector.spanWhere(
      (span) =>
        span.traceId === from.traceId && span.name === name && span.kind === 'client' && span.service === from.service,
      `the asking side of ${name}`,
    )
    const answered = await collector.spanWhere(({ parentId }) => parentId === asked.spanId, `the answer to ${name}`)
    expect(asked.attributes).toEqual({ 'rpc.system.name': 'moleculer', 'rpc.method': name })
    expect(answered).toMatchObject({ traceId: from.traceId, name, kind: 'server', service: to })
    expect(answered.instance).not.toBe(asked.instance)
    expect(collector.descends(asked, from)).toBe(true)
    return answered
  }

  it('pass with a put from the gateway to the crypto engine, its KMS and the metadata, each a part of what asked', async () => {
    const secret = randomBytes(24).toString('hex')
    const bucket = await newBucket(s3)
    const put = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: secret, Body: secret }))
    const root = await collector.ofRequest(put.$metadata.requestId)
    expect(root).toMatchObject({ service: 'coffer-gateway', name: 'S3/PutObject', parentId: '' })
    const issued = await callBetween(root, 'crypto/issueObjectKey', 'coffer-crypto')
    const generated = await callBetween(issued, 'kms/generateDataKey', 'coffer-kms')
    const atKms = await collector.inTrace(root, 'kms generateDataKey')
    expect(atKms).toMatchObject({ service: 'coffer-kms', parentId: generated.spanId })
    const committed = await callBetween(root, 'metadata/commitVersion', 'coffer-metadata')
    const commit = await collector.inTrace(root, 'commit commitVersion')
    expect(commit).toMatchObject({ service: 'coffer-metadata', parentId: committed.spanId })
    // Each process sends for itself: a part may come before what it is part of.
    const strays = () => collector.ofTrace(root).filter((span) => !collector.descends(span, root))
    await expect.poll(strays, { timeout: 60_000 }).toEqual([])
    const get = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: secret }))
    expect((await bytesOf(get)).toString()).toBe(secret)
    const read = await collector.ofRequest(get.$metadata.requestId)
    expect(read.traceId).not.toBe(root.traceId)
    await callBetween(read, 'metadata/findVersion', 'coffer-metadata')
    const [gateway] = mesh.gateways
    const bytes = collector.received.toString('latin1')
    for (const text of [secret, String(gateway?.secretAccessKey), mesh.meshKey, nats.password]) {
      expect(bytes).not.toContain(text)
    }
  })

  it('say with what code a call has failed, on both sides', async () => {
    const [gateway] = mesh.gateways
    if (gateway === undefined) throw new Error('a gateway is needed')
    const refused = await callKms(gateway, 'DescribeKey', { KeyId: 'no-such-key' })
    expect(refused.status).toBe(400)
    const root = await collector.ofRequest(String(refused.headers['x-amzn-requestid']))
    expect(root).toMatchObject({ name: 'KMS/DescribeKey', hasFailed: false })
    expect(root.attributes['error.type']).toBe('NotFoundException')
    for (const kind of ['client', 'server']) {
      const side = await collector.inTrace(root, 'kms/describeKey', kind)
      expect(side).toMatchObject({ hasFailed: true, statusText: '', eventCount: 0 })
      expect(side.attributes['error.type']).toBe('KMS_KEY_NOT_FOUND')
    }
  })
})
