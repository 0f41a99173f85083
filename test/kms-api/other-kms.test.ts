import { randomBytes } from 'node:crypto'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  ListKeysCommand,
  ReEncryptCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { afterEach, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { failureOf } from '../harness/s3.ts'
import { serverForSuite, temporaryDirectory } from '../harness/start-server.ts'
import { callKms, kmsClient } from './kms-client.ts'

const directory = temporaryDirectory('kms-api')
mkdirSync(join(directory, 'node_modules'))
symlinkSync(join(import.meta.dirname, '../kms/example-kms'), join(directory, 'node_modules/example-kms'))
const kmsFile = join(directory, 'kms.yaml')
writeFileSync(
  kmsFile,
  `connectors:\n  example:\n    type: example-kms\n    directory: ${directory}\n    timeoutMs: 1500\n`,
)
writeFileSync(join(directory, 'seed'), randomBytes(32))
const feel = (mood: 'well' | 'away' | 'rubbish') => writeFileSync(join(directory, 'mood'), mood)
feel('well')
afterEach(() => feel('well'))

const server = await serverForSuite({ workers: 1, env: { COFFER_KMS_FILE: kmsFile } })
const kms = kmsClient(server)
await cofferJson(server, ['key', 'create', 'example/k1'])
const { KeyMetadata: local } = await kms.send(new CreateKeyCommand({}))
const encrypt = (KeyId: string) => kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('secret') }))

it('keys of other connectors are named with them, and used like any other', async () => {
  const { Keys } = await kms.send(new ListKeysCommand({}))
  // The default connector's first, with the server's own; then those of the others.
  expect(Keys?.map(({ KeyId }) => KeyId).sort()).toEqual([local?.KeyId, 'coffer', 'example/k1'].sort())
  const last = Keys?.at(-1)
  expect(last?.KeyId).toBe('example/k1')
  await kms.send(new CreateAliasCommand({ AliasName: 'alias/example', TargetKeyId: last?.KeyArn }))
  const { CiphertextBlob, KeyId } = await encrypt('alias/example')
  expect(KeyId).toMatch(/:key\/example\/k1$/)
  const moved = await kms.send(new ReEncryptCommand({ CiphertextBlob, DestinationKeyId: local?.KeyId }))
  const opened = await kms.send(new DecryptCommand({ CiphertextBlob: moved.CiphertextBlob }))
  expect(Buffer.from(opened.Plaintext ?? []).toString()).toBe('secret')
  expect(opened.KeyId).toBe(local?.Arn)
})

it('what a KMS cannot do is said to be unsupported', async () => {
  const refused = await failureOf(kms.send(new ScheduleKeyDeletionCommand({ KeyId: 'example/k1' })))
  expect(refused).toEqual({ code: 'UnsupportedOperationException', status: 400 })
})

it.each(['away', 'rubbish'] as const)('while a KMS is %s the answer is 503 with Retry-After', async (mood) => {
  const { CiphertextBlob = new Uint8Array(0) } = await encrypt(local?.KeyId ?? '')
  feel(mood)
  const answer = await callKms(server, 'GenerateDataKey', { KeyId: 'example/k1', KeySpec: 'AES_256' })
  expect([answer.status, answer.type, answer.headers['retry-after']]).toEqual([503, 'DependencyTimeoutException', '1'])
  expect(JSON.stringify(answer.body)).not.toContain('secret-in-an-error')
  await kms.send(new DecryptCommand({ CiphertextBlob }))
})
