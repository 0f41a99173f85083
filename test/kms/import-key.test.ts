import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { LocatedKey } from '@coffer/contracts'
import { expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { COFFER, serverForSuite, temporaryDirectory } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)
const directory = temporaryDirectory('import')
const material = randomBytes(32)
const materialFile = join(directory, 'material')
writeFileSync(materialFile, material)

it('makes a key of what a file holds, which seals, is rotated, and lies nowhere in the clear', async () => {
  const made = await cofferJson<LocatedKey>(server, ['key', 'import', 'minio-key', '--file', materialFile])
  expect(made).toMatchObject({ connector: 'local', keyId: 'minio-key', state: 'enabled', currentVersion: 1 })
  const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'minio-key' } as const
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'body', ...kms }))
  await cofferJson(server, ['key', 'rotate', 'minio-key'])
  await server.stop()
  await server.restart()
  const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }))
  expect((await bytesOf(got)).toString()).toBe('body')

  const again = await coffer(['key', 'import', 'minio-key', '--file', materialFile], server.env)
  expect(again.stderr).toContain('KMS_KEY_EXISTS')
  const files = readdirSync(server.dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const kept = Buffer.concat(files.map(({ parentPath, name }) => readFileSync(join(parentPath, name))))
  expect(kept.includes('minio-key')).toBe(true)
  for (const form of [material, material.toString('base64'), material.toString('hex')]) {
    expect(kept.includes(form)).toBe(false)
    expect(server.logs().includes(form.toString('latin1'))).toBe(false)
  }
})

it('reads the standard input where no file is given', async () => {
  const child = spawn(process.execPath, [COFFER, 'key', 'import', 'piped', '--json'], { env: server.env })
  child.stdin.end(`${randomBytes(32).toString('base64')}\n`)
  const [code] = await once(child, 'close')
  expect(code).toBe(0)
  expect(await cofferJson<LocatedKey>(server, ['key', 'describe', 'piped'])).toMatchObject({ currentVersion: 1 })
})

it('refuses what is no key of 256 bits, without showing it, and makes nothing', async () => {
  writeFileSync(materialFile, randomBytes(16).toString('hex'))
  const refused = await coffer(['key', 'import', 'half', '--file', materialFile], server.env)
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('COFFER_KEY_MATERIAL_INVALID')
  expect(refused.stderr).not.toContain(readFileSync(materialFile, 'latin1'))
  expect((await coffer(['key', 'describe', 'half'], server.env)).stderr).toContain('KMS_KEY_NOT_FOUND')
})
