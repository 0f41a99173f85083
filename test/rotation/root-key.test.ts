import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { LocatedKey } from '@coffer/contracts'
import { describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { COFFER, type CofferServer, serverForSuite, startServer, temporaryDirectory } from '../harness/start-server.ts'

interface Rotation {
  readonly outcome: 'rotated' | 'finished'
  readonly damagedKeys: readonly string[]
}

/** A command needs about half a second before it begins; the moments of the kills are spread from there. */
const FIRST_KILL_MS = 300
const KILL_STEP_MS = 40
const KILLS = process.env.CI === 'true' ? 24 : 10

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)
const secrets = join(server.dataDir, 'secrets')
const rootKeyPath = join(secrets, 'root.key')

const rotate = (target: Pick<CofferServer, 'env'>, ...options: string[]) =>
  cofferJson<Rotation>(target, ['root-key', 'rotate', ...options])
const newKeyText = () => `${randomBytes(32).toString('base64')}\n`

async function kms(target: CofferServer, Key: string, keyId: string): Promise<void> {
  const client = s3Client(target)
  const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: keyId } as const
  await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Key, ...kms }))
  const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key }))
  expect((await bytesOf(got)).toString()).toBe(Key)
}

describe('the root key of a running server', () => {
  it('is replaced while it puts, gets and makes keys; the old one opens nothing, and a restart works', async () => {
    await cofferJson(server, ['key', 'create', 'before'])
    await kms(server, 'before', 'before')
    const oldKey = readFileSync(rootKeyPath, 'utf8')
    let isRotating = true
    let puts = 0
    const traffic = Array.from({ length: 4 }, async (_, client) => {
      while (isRotating) {
        await kms(server, `traffic/${client}/${puts}`, 'before')
        const fresh = await newBucket(s3)
        await s3.send(new PutObjectCommand({ Bucket: fresh, Key: 'k', Body: 'x' }))
        puts++
      }
    })
    const made: string[] = []
    const keys = (async () => {
      while (isRotating) {
        const keyId = `during-${made.length}`
        await cofferJson<LocatedKey>(server, ['key', 'create', keyId])
        await kms(server, keyId, keyId)
        made.push(keyId)
      }
    })()
    const rotation = await rotate(server)
    await expect.poll(() => puts > 20 && made.length > 3).toBe(true)
    isRotating = false
    await Promise.all(traffic)
    await keys
    expect(rotation).toMatchObject({ outcome: 'rotated', damagedKeys: [] })

    expect(readFileSync(rootKeyPath, 'utf8')).not.toBe(oldKey)
    expect(statSync(rootKeyPath).mode & 0o777).toBe(0o600)
    expect(readdirSync(secrets).filter((name) => name.includes('next') || name.includes('tmp'))).toEqual([])
    const withOldKey = { ...server.env, COFFER_ROOT_KEY: oldKey.trim() }
    const refused = await coffer(['key', 'list'], withOldKey)
    expect(refused.stderr).toContain('KMS_ROOT_KEY_WRONG')
    expect(refused.stderr + server.logs()).not.toContain(oldKey.trim())

    // Workers that are started anew while it runs have what their supervisor knows.
    await cofferJson(server, ['key', 'create', 'after'])
    await kms(server, 'after', 'after')
    await server.stop()
    expect((await coffer(['server'], withOldKey)).stderr).toContain('KMS_ROOT_KEY_WRONG')
    await server.restart()
    for (const keyId of ['before', 'after', ...made]) await kms(server, `restarted/${keyId}`, keyId)
  })

  it('is replaced by one of two rotations at once', async () => {
    const before = readFileSync(rootKeyPath, 'utf8')
    const both = await Promise.all([0, 1].map(async () => await coffer(['root-key', 'rotate'], server.env)))
    expect(both.map(({ code }) => code).sort()).toEqual([0, 1])
    expect(both.map(({ stderr }) => stderr).join('')).toContain('COFFER_ROOT_KEY_ROTATION_RUNNING')
    expect(readFileSync(rootKeyPath, 'utf8')).not.toBe(before)
    await kms(server, 'two', 'before')
  })

  it('survives that rotations are killed, and that the server is, at any moment', async () => {
    let cutShort = 0
    for (let kill = 0; kill < KILLS; kill++) {
      const isServerDown = kill % 2 === 1
      if (isServerDown) await server.killGroup('SIGKILL')
      const child = spawn(process.execPath, [COFFER, 'root-key', 'rotate'], { env: server.env, stdio: 'ignore' })
      // Half of them while the new key lies beside the old one, which is a few milliseconds long.
      await (kill % 4 < 2
        ? killWhenThere(child, `${rootKeyPath}.next`, kill)
        : killAt(child, FIRST_KILL_MS + kill * KILL_STEP_MS))
      if (existsSync(`${rootKeyPath}.next`)) cutShort++
      expect((await coffer(['key', 'describe', 'before'], server.env)).code).toBe(0)
      if (isServerDown) await server.restart()
      await kms(server, `killed/${kill}`, 'before')
    }
    expect((await rotate(server)).damagedKeys).toEqual([])
    expect(existsSync(`${rootKeyPath}.next`)).toBe(false)
    await server.stop()
    await server.restart()
    await kms(server, 'survived', 'before')
    expect(cutShort).toBeGreaterThan(0)
  }, 240_000)
})

/** As a kill leaves them: between the files and the sealing there is a moment that no timer meets for sure. */
describe('a rotation that was cut short', () => {
  it('before the store was sealed anew, leaves the old key in use', async () => {
    await server.stop()
    const before = readFileSync(rootKeyPath, 'utf8')
    writeFileSync(`${rootKeyPath}.next`, newKeyText(), { mode: 0o600 })
    expect((await coffer(['key', 'list'], server.env)).code).toBe(0)
    await server.restart()
    expect(existsSync(`${rootKeyPath}.next`)).toBe(false)
    expect(readFileSync(rootKeyPath, 'utf8')).toBe(before)
  })

  it('after it, is finished by the next start or rotation', async () => {
    for (const finish of ['start', 'rotation'] as const) {
      const before = readFileSync(rootKeyPath, 'utf8')
      await server.stop()
      await rotate(server)
      const after = readFileSync(rootKeyPath, 'utf8')
      writeFileSync(rootKeyPath, before)
      writeFileSync(`${rootKeyPath}.next`, after, { mode: 0o600 })
      if (finish === 'rotation') expect(await rotate(server)).toMatchObject({ outcome: 'finished' })
      await server.restart()
      expect(existsSync(`${rootKeyPath}.next`)).toBe(false)
      expect(readFileSync(rootKeyPath, 'utf8')).toBe(after)
      await kms(server, `cut/${finish}`, 'before')
    }
  })
})

describe('a root key that its administrator keeps elsewhere', () => {
  it('is replaced by the one that is brought, while the server runs', async () => {
    const directory = temporaryDirectory('root-key')
    const [oldFile, newFile] = [join(directory, 'old.key'), join(directory, 'new.key')]
    writeFileSync(oldFile, newKeyText(), { mode: 0o600 })
    writeFileSync(newFile, newKeyText(), { mode: 0o600 })
    const configured = await startServer({ env: { COFFER_ROOT_KEY_FILE: oldFile } })
    try {
      const client = s3Client(configured)
      const name = await newBucket(client)
      const put = async (Key: string) => await client.send(new PutObjectCommand({ Bucket: name, Key, Body: Key }))
      await put('before')
      const refused = await coffer(['root-key', 'rotate'], configured.env)
      expect(refused.stderr).toContain('COFFER_ROOT_KEY_ROTATION_REFUSED')
      const same = await coffer(['root-key', 'rotate', '--new-root-key-file', oldFile], configured.env)
      expect(same.stderr).toContain('COFFER_ROOT_KEY_ROTATION_REFUSED')
      const done = await coffer(['root-key', 'rotate', '--new-root-key-file', newFile], configured.env)
      expect(done.code, done.stderr).toBe(0)
      expect(done.stdout).toContain(newFile)
      expect(done.stdout).toContain('no longer needed')
      await put('after')
      // The supervisor starts a worker with what it has learned, not with the key that it was started with.
      await cofferJson({ env: { ...configured.env, COFFER_ROOT_KEY_FILE: newFile } }, ['key', 'create', 'k1'])
      expect(killWorkers(configured)).toBe(2)
      await expect
        .poll(
          async () =>
            await put('new worker').then(
              () => true,
              () => false,
            ),
          { timeout: 60_000 },
        )
        .toBe(true)
      // Once more, as after a kill: the old one is still configured.
      expect(await rotate(configured, '--new-root-key-file', newFile)).toMatchObject({ outcome: 'finished' })
      await configured.stop()
      expect((await coffer(['server'], configured.env)).stderr).toContain('KMS_ROOT_KEY_WRONG')
      cpSync(newFile, oldFile)
      await configured.restart()
      const got = await s3Client(configured).send(new GetObjectCommand({ Bucket: name, Key: 'before' }))
      expect((await bytesOf(got)).toString()).toBe('before')
    } finally {
      await configured.dispose()
      rmSync(directory, { recursive: true })
    }
  })
})

async function killAt(child: ChildProcess, afterMs: number): Promise<void> {
  const ended = once(child, 'exit')
  await Promise.race([ended, sleep(afterMs)])
  child.kill('SIGKILL')
  await ended
}

async function killWhenThere(child: ChildProcess, path: string, afterMs: number): Promise<void> {
  const ended = once(child, 'exit')
  while (child.exitCode === null && !existsSync(path)) await sleep(1)
  await sleep(afterMs)
  child.kill('SIGKILL')
  await ended
}

/** The children of a server's first process. Returns how many there were. */
function killWorkers(target: CofferServer): number {
  const ours = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && environmentOf(pid).includes(target.dataDir))
  const workers = ours.flatMap((pid) =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean),
  )
  for (const worker of workers) process.kill(Number(worker), 'SIGKILL')
  return workers.length
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch {
    return ''
  }
}
