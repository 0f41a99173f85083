import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { KeyUse, RewrapReport } from '@coffer/contracts'
import { afterAll, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { type CofferServer, startServer, temporaryDirectory } from '../harness/start-server.ts'
import { type Moto, startMoto } from './moto.ts'

describeWithPrograms('a server whose master keys are in AWS KMS (moto)', ['moto_server'], ({ moto_server }) => {
  let moto: Moto | undefined
  let server: CofferServer | undefined
  afterAll(async () => {
    await server?.dispose()
    await moto?.stop()
  })

  it('seals objects with them, rotates and rewraps them, and opens nothing while they are disabled', async () => {
    moto = await startMoto(moto_server)
    const directory = temporaryDirectory('kms-aws')
    const [kmsFile, secretFile] = [join(directory, 'kms.json'), join(directory, 'secret')]
    writeFileSync(secretFile, 'any-secret-will-do\n', { mode: 0o600 })
    const access = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKeyFile: secretFile }
    const aws = { type: 'aws', region: 'eu-central-1', endpoint: moto.endpoint, ...access }
    writeFileSync(kmsFile, JSON.stringify({ default: 'aws', connectors: { aws } }))
    server = await startServer({ workers: 1, env: { COFFER_KMS_FILE: kmsFile } })
    const s3 = s3Client(server)
    const Bucket = await newBucket(s3)
    await cofferJson(server, ['key', 'create', 'aws/k1'])
    const sse = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'aws/k1' } as const
    for (const BucketKeyEnabled of [true, false]) {
      await s3.send(new PutObjectCommand({ Bucket, Key: `o-${BucketKeyEnabled}`, Body: 'x', ...sse, BucketKeyEnabled }))
    }
    await cofferJson(server, ['key', 'rotate', 'aws/k1'])
    const report = await cofferJson<RewrapReport>(server, ['key', 'rewrap', 'aws/k1'])
    expect(report).toMatchObject({ failures: [], directObjectCount: 1 })
    const use = await cofferJson<KeyUse>(server, ['key', 'usage', 'aws/k1'])
    expect(use.versions.map(({ version }) => version)).toEqual([2])
    const read = (Key: string) => s3.send(new GetObjectCommand({ Bucket, Key }))
    for (const Key of ['o-true', 'o-false']) expect((await bytesOf(await read(Key))).toString()).toBe('x')
    await cofferJson(server, ['key', 'disable', 'aws/k1', '--yes'])
    expect(await failureOf(read('o-false'))).toMatchObject({ code: 'KMS.DisabledException' })
  })
})
