import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { insecureExportKeyBytes, Secret } from '@coffer/crypto-core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { resolveRootKey } from './root-key.ts'

const KEY_TEXT = Buffer.alloc(32, 7).toString('base64')
const UNSET = { rootKey: undefined, rootKeyFile: undefined, rootKeyCommand: undefined }

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coffer-root-key-'))
})
afterEach(async () => await rm(directory, { recursive: true }))

function textOf(key: Secret): string {
  return Buffer.from(insecureExportKeyBytes(key)).toString('base64')
}

describe('the first start', () => {
  test('makes a random key in a file that only its owner can read', async () => {
    const made = await resolveRootKey(UNSET, directory, false)
    const path = join(directory, 'root.key')
    expect(made).toMatchObject({ isNew: true, origin: path })
    expect(await readFile(path, 'utf8')).toBe(`${textOf(made.key)}\n`)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(directory)).toEqual(['root.key'])
  })

  test('the next start finds the same key', async () => {
    const made = await resolveRootKey(UNSET, directory, false)
    const found = await resolveRootKey(UNSET, directory, true)
    expect(found.isNew).toBe(false)
    expect(found.key.equals(made.key)).toBe(true)
  })

  test('makes no key where one was configured, even if that is missing', async () => {
    const settings = { ...UNSET, rootKeyFile: join(directory, 'elsewhere.key') }
    await expect(resolveRootKey(settings, directory, false)).rejects.toMatchObject({ code: 'KMS_ROOT_KEY_MISSING' })
    expect(await readdir(directory)).toEqual([])
  })
})

describe('a sealed store', () => {
  test('without its key is refused, and nothing is made', async () => {
    const refused = resolveRootKey(UNSET, directory, true)
    await expect(refused).rejects.toMatchObject({ code: 'KMS_ROOT_KEY_MISSING' })
    await expect(refused).rejects.toThrow(join(directory, 'root.key'))
    expect(await readdir(directory)).toEqual([])
  })

  test.each([
    ['an empty file', ''],
    ['a short key', Buffer.alloc(31, 7).toString('base64')],
    ['a long key', Buffer.alloc(33, 7).toString('base64')],
    ['no padding', KEY_TEXT.replace('=', '')],
    ['two keys', `${KEY_TEXT}\n${KEY_TEXT}`],
    ['another spelling of the same bits', `${KEY_TEXT.slice(0, 42)}d=`],
    ['hexadecimal', Buffer.alloc(32, 7).toString('hex')],
    ['a large file', 'A'.repeat(5000)],
  ])('with %s for a key is refused without showing it', async (_, text) => {
    await writeFile(join(directory, 'root.key'), text)
    const refused = resolveRootKey(UNSET, directory, true)
    await expect(refused).rejects.toMatchObject({ code: 'KMS_ROOT_KEY_MALFORMED' })
    if (text) await expect(refused).rejects.not.toThrow(text.slice(0, 20))
    expect(await readFile(join(directory, 'root.key'), 'latin1')).toBe(text)
  })

  test('warns when others can read the key', async () => {
    const path = join(directory, 'root.key')
    await writeFile(path, KEY_TEXT)
    await chmod(path, 0o644)
    expect((await resolveRootKey(UNSET, directory, true)).warning).toContain(`chmod 600 ${path}`)
    await chmod(path, 0o600)
    expect((await resolveRootKey(UNSET, directory, true)).warning).toBeUndefined()
  })
})

describe('where the key comes from', () => {
  test('the variable comes before the file, the file before the command', async () => {
    const rootKeyFile = join(directory, 'configured.key')
    await writeFile(rootKeyFile, Buffer.alloc(32, 1).toString('base64'))
    const rootKeyCommand = [process.execPath, '-p', `'${Buffer.alloc(32, 2).toString('base64')}'`]
    const rootKey = Secret.take(Buffer.from(KEY_TEXT))
    const keys = await Promise.all([
      resolveRootKey({ rootKey, rootKeyFile, rootKeyCommand }, directory, true),
      resolveRootKey({ ...UNSET, rootKeyFile, rootKeyCommand }, directory, true),
      resolveRootKey({ ...UNSET, rootKeyCommand }, directory, true),
    ])
    expect(keys.map(({ key }) => insecureExportKeyBytes(key)[0])).toEqual([7, 1, 2])
  })

  test('a command that fails is told by its status, without its arguments or output', async () => {
    const rootKeyCommand = [process.execPath, '-e', 'console.log("s3cr3t"); console.error("s3cr3t"); process.exit(3)']
    const refused = resolveRootKey({ ...UNSET, rootKeyCommand }, directory, true)
    await expect(refused).rejects.toMatchObject({ code: 'COFFER_ROOT_KEY_COMMAND_FAILED' })
    await expect(refused).rejects.toThrow('status 3')
    await expect(refused).rejects.not.toThrow('s3cr3t')
  })

  test('a command that does not exist is refused', async () => {
    const refused = resolveRootKey({ ...UNSET, rootKeyCommand: ['/no/such/program'] }, directory, true)
    await expect(refused).rejects.toMatchObject({ code: 'COFFER_ROOT_KEY_COMMAND_FAILED' })
  })

  test('no shell reads the command', async () => {
    const rootKeyCommand = [process.execPath, '-p', 'process.argv[1]', '$(id)']
    await expect(resolveRootKey({ ...UNSET, rootKeyCommand }, directory, true)).rejects.toMatchObject({
      code: 'KMS_ROOT_KEY_MALFORMED',
    })
  })
})
