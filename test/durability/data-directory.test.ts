import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { freePort } from '../harness/free-port.ts'
import { startGroup } from '../harness/process-group.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import {
  COFFER,
  type CofferServer,
  cleanEnvironment,
  REPOSITORY,
  startServer,
  temporaryDirectory,
  waitUntilReady,
} from '../harness/start-server.ts'
import { fingerprint } from './directory-fingerprint.ts'

let server: CofferServer
let bucket = ''
const scratch = temporaryDirectory('directories')

beforeAll(async () => {
  server = await startServer()
  const s3 = s3Client(server)
  bucket = await newBucket(s3)
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'kept' }))
  await server.stop()
})

afterAll(async () => {
  await server.dispose()
  rmSync(scratch, { recursive: true, force: true })
})

/** A copy of the stopped server's directory, changed by `change`. */
function copyOfData(name: string, change: (directory: string) => void): string {
  const directory = join(scratch, name)
  cpSync(server.dataDir, directory, { recursive: true, preserveTimestamps: true })
  change(directory)
  return directory
}

/** All but what the locks of a server that was killed leave behind: whoever takes a lock next removes it. */
function dataIn(directory: string) {
  const { 'lock-journal': _, 'journal-lock-journal': __, ...data } = fingerprint(directory)
  return data
}

/** A start that must fail, and leave every byte below `directory` as it was. */
async function refusedStart(directory: string, more: Record<string, string> = {}): Promise<string> {
  const before = dataIn(directory)
  const address = `127.0.0.1:${await freePort()}`
  const env = { ...server.env, COFFER_DATA_DIR: directory, COFFER_ADDRESS: address, ...more }
  const { code, stdout, stderr } = await coffer(['server'], env)
  expect(code, stdout + stderr).toBeGreaterThan(0)
  expect(dataIn(directory)).toEqual(before)
  expect(stderr).not.toMatch(/\n\s+at .*\.ts:\d+/)
  return stderr
}

describe('a start is refused and changes nothing', () => {
  it('on a directory of a newer format', async () => {
    const directory = copyOfData('newer', (path) => {
      const file = join(path, 'coffer.json')
      const marker = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
      const versionName = Object.keys(marker).find((name) => typeof marker[name] === 'number') ?? ''
      expect(versionName).not.toBe('')
      writeFileSync(file, JSON.stringify({ ...marker, [versionName]: 9_999 }))
    })
    expect(await refusedStart(directory)).toMatch(/newer/i)
  })

  it('on a directory that is not ours', async () => {
    const directory = temporaryDirectory('foreign')
    writeFileSync(join(directory, 'notes.txt'), 'somebody else keeps things here')
    expect(await refusedStart(directory)).toMatch(/\[[A-Z_]+\]/)
    rmSync(directory, { recursive: true })
  })

  it('on a directory whose marker is damaged', async () => {
    const directory = copyOfData('damaged-marker', (path) => writeFileSync(join(path, 'coffer.json'), '{"for'))
    expect(await refusedStart(directory)).toMatch(/coffer\.json/)
  })

  it('without its root key', async () => {
    const directory = copyOfData('no-root-key', (path) => rmSync(join(path, 'secrets', 'root.key')))
    expect(await refusedStart(directory)).toMatch(/root key/i)
  })

  it('with another root key in its place', async () => {
    const directory = copyOfData('other-root-key', (path) => {
      writeFileSync(join(path, 'secrets', 'root.key'), `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 })
    })
    expect(await refusedStart(directory)).toMatch(/root key/i)
  })

  it('with another root key from the environment', async () => {
    const directory = copyOfData('other-root-key-env', () => undefined)
    const key = randomBytes(32).toString('base64')
    const message = await refusedStart(directory, { COFFER_ROOT_KEY: key })
    expect(message).toMatch(/root key/i)
    expect(message).not.toContain(key)
  })

  it('with a root key that is none', async () => {
    const directory = copyOfData('short-root-key', () => undefined)
    const message = await refusedStart(directory, { COFFER_ROOT_KEY: 'c2hvcnQ=' })
    expect(message).toMatch(/COFFER_ROOT_KEY/)
    expect(message).not.toContain('c2hvcnQ=')
  })

  it('with a setting that is unknown or bad', async () => {
    const directory = copyOfData('settings', () => undefined)
    expect(await refusedStart(directory, { COFFER_WORKERS: 'many' })).toMatch(/COFFER_WORKERS/)
    expect(await refusedStart(directory, { COFFER_WORKRES: '2' })).toMatch(/COFFER_WORKRES.*COFFER_WORKERS/s)
  })
})

describe('a running server', () => {
  it('keeps a second one away from its directory and goes on serving', async () => {
    const running = await startServer({ dataDir: copyOfData('running', () => undefined), ...keysOf(server) })
    try {
      const address = `127.0.0.1:${await freePort()}`
      const second = await coffer(['server'], { ...running.env, COFFER_ADDRESS: address })
      expect(second.code).toBeGreaterThan(0)
      expect(second.stderr).toMatch(/another Coffer.*\[[A-Z_]+\]/)
      const got = await s3Client(running).send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }))
      expect((await bytesOf(got)).toString()).toBe('kept')
    } finally {
      await running.dispose()
    }
  })

  it('can be started again after a kill: the lock goes with the process', async () => {
    const running = await startServer({ dataDir: copyOfData('killed', () => undefined), ...keysOf(server) })
    await running.killGroup('SIGKILL')
    await running.restart()
    const got = await s3Client(running).send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }))
    expect((await bytesOf(got)).toString()).toBe('kept')
    await running.dispose()
  })

  it('takes its root key from a file or a command instead', async () => {
    const keyFile = join(scratch, 'moved-root.key')
    const directory = copyOfData('moved', (path) => renameSync(join(path, 'secrets', 'root.key'), keyFile))
    for (const env of [{ COFFER_ROOT_KEY_FILE: keyFile }, { COFFER_ROOT_KEY_COMMAND: `cat ${keyFile}` }]) {
      const running = await startServer({ dataDir: directory, ...keysOf(server), env })
      const got = await s3Client(running).send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }))
      expect((await bytesOf(got)).toString()).toBe('kept')
      await running.dispose()
      expect(existsSync(join(directory, 'secrets', 'root.key'))).toBe(false)
    }
  })

  it('started for the first time makes its own credentials and keeps them in files for its user only', async () => {
    const directory = join(scratch, 'first')
    const port = await freePort()
    const env = cleanEnvironment({ COFFER_DATA_DIR: directory, COFFER_ADDRESS: `127.0.0.1:${port}` })
    const group = startGroup(process.execPath, [COFFER, 'server'], { env, cwd: REPOSITORY })
    const caFile = join(directory, 'certs', 'public.crt')
    await waitUntilReady(group, `https://127.0.0.1:${port}`, caFile)
    await expect.poll(() => group.logs(), { timeout: 60_000 }).toContain(caFile)
    const { code } = await group.stop()
    expect(code).toBe(0)
    for (const name of ['root.key', 'root-credentials']) {
      expect(statSync(join(directory, 'secrets', name)).mode & 0o777, name).toBe(0o600)
    }
    expect(statSync(join(directory, 'certs', 'private.key')).mode & 0o777).toBe(0o600)
    for (const client of ['aws', 'mc', 'rclone', 's3cmd', 'S3Client']) expect(group.logs()).toContain(client)
    const rootKey = readFileSync(join(directory, 'secrets', 'root.key'), 'utf8').trim()
    expect(group.logs()).not.toContain(rootKey)
  })
})

function keysOf(target: CofferServer): { accessKeyId: string; secretAccessKey: string } {
  return { accessKeyId: target.accessKeyId, secretAccessKey: target.secretAccessKey }
}
