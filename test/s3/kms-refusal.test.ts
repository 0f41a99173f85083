import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { startServer, temporaryDirectory } from '../harness/start-server.ts'
import { prepareSoftHsm } from '../kms/softhsm.ts'

describeWithPrograms('a KMS that refuses Coffer', ['softhsm2-util'], (programs) => {
  it('is told as AWS tells it, to whoever needs it; the rest goes on, and all of it when Coffer is let in again', async () => {
    const hsm = prepareSoftHsm(programs['softhsm2-util'])
    await hsm.addToken('coffer', 'right-pin')
    const directory = temporaryDirectory('kms-refusal')
    const [pinFile, kmsFile] = [join(directory, 'pin'), join(directory, 'kms.json')]
    const connector = { type: 'pkcs11', library: hsm.library, tokenLabel: 'coffer', pinFile }
    writeFileSync(pinFile, 'right-pin')
    writeFileSync(kmsFile, JSON.stringify({ connectors: { hsm: connector } }))
    const server = await startServer({ env: { COFFER_KMS_FILE: kmsFile, SOFTHSM2_CONF: hsm.configFile } })
    try {
      const s3 = s3Client(server)
      await cofferJson(server, ['key', 'create', 'hsm/payments'])
      const Bucket = await newBucket(s3)
      const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'hsm/payments' } as const
      await s3.send(new PutObjectCommand({ Bucket, Key: 'sealed', Body: 'x', ...kms }))
      await s3.send(new PutObjectCommand({ Bucket, Key: 'other', Body: 'y' }))
      await server.stop()
      writeFileSync(pinFile, 'wrong-pin')
      await server.restart()
      const read = () => s3.send(new GetObjectCommand({ Bucket, Key: 'sealed' }))
      const write = () => s3.send(new PutObjectCommand({ Bucket, Key: 'new', Body: 'x', ...kms }))
      for (const use of [read, write]) {
        expect(await failureOf(use())).toMatchObject({ status: 403, code: 'AccessDenied' })
      }
      expect((await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key: 'other' })))).toString()).toBe('y')
      await expect.poll(() => server.logs()).toContain('refuses')
      expect(server.logs()).not.toMatch(/(wrong|right)-pin/)
      writeFileSync(pinFile, 'right-pin')
      expect((await bytesOf(await read())).toString()).toBe('x')
      await write()
    } finally {
      await server.dispose()
      hsm.dispose()
      rmSync(directory, { recursive: true })
    }
  })
})
