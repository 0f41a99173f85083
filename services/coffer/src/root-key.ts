import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Configuration } from '@coffer/config'
import { insecureExportKeyBytes, Secret } from '@coffer/crypto-core'
import { CofferError, isCofferError } from '@coffer/errors'
import type { KmsErrorCode } from '@coffer/kms'
import { writeNewFile } from './durable-file.ts'
import { cofferError } from './errors.ts'

const ROOT_KEY_SIZE_BYTES = 32
const ROOT_KEY_FILE_SIZE_BYTES_MAX = 4096
const ROOT_KEY_COMMAND_TIMEOUT_MS = 30_000

/** 32 bytes in base64 with padding (RFC 4648, section 4), and nothing else but white space around it. */
const ROOT_KEY_FORM = /^\s*([A-Za-z0-9+/]{43}=)\s*$/

export interface RootKey {
  readonly key: Secret
  /** Where it came from, for people: a path or a variable's name. */
  readonly origin: string
  /** Made just now, as this is the first start. */
  readonly isNew: boolean
  /** The file, where it is kept in the data directory. */
  readonly keptIn?: string
  /** Beside it, of a rotation that has not ended: the key that opens the store if `key` does not. */
  readonly next?: Secret
  /** Something the administrator should know, or undefined. */
  readonly warning?: string
}

export type RootKeySettings = Pick<Configuration, 'rootKey' | 'rootKeyFile' | 'rootKeyCommand'>

/**
 * The root key: from COFFER_ROOT_KEY, else the key file, else the command's output, else `secrets/root.key` in the data
 * directory. Only where `initialised` is false and nothing else was configured, that file is made. Errors:
 * KMS_ROOT_KEY_MISSING, KMS_ROOT_KEY_MALFORMED, COFFER_ROOT_KEY_COMMAND_FAILED; then nothing has been changed.
 */
export async function resolveRootKey(
  settings: RootKeySettings,
  secretsDirectory: string,
  initialised: boolean,
): Promise<RootKey> {
  if (settings.rootKey) {
    const text = Buffer.from(insecureExportKeyBytes(settings.rootKey)).toString('latin1')
    return { key: parseRootKey(text, 'COFFER_ROOT_KEY'), origin: 'COFFER_ROOT_KEY', isNew: false }
  }
  if (settings.rootKeyFile !== undefined) return await readRootKeyFile(settings.rootKeyFile)
  if (settings.rootKeyCommand) return await runRootKeyCommand(settings.rootKeyCommand)

  const path = join(secretsDirectory, 'root.key')
  try {
    // First: a rotation moves it over the other, so that one of the two is the key that it left.
    const next = await findNextRootKey(path)
    return { ...(await readRootKeyFile(path)), keptIn: path, ...(next && { next }) }
  } catch (error) {
    if (initialised || !isCofferError(error, 'KMS_ROOT_KEY_MISSING')) throw error
    return await makeRootKeyFile(path)
  }
}

/** Where a rotation keeps the new key until the store is sealed under it. */
export function nextRootKeyPath(path: string): string {
  return `${path}.next`
}

/** KMS_ROOT_KEY_MALFORMED. */
export async function findNextRootKey(path: string): Promise<Secret | undefined> {
  const text = await readSmallFile(nextRootKeyPath(path))
  return text === undefined ? undefined : parseRootKey(text, nextRootKeyPath(path))
}

/** KMS_ROOT_KEY_MISSING, KMS_ROOT_KEY_MALFORMED. */
export async function readRootKeyFile(path: string): Promise<RootKey> {
  const text = await readSmallFile(path)
  if (text === undefined) {
    throw rootKeyError(
      'KMS_ROOT_KEY_MISSING',
      `the store is sealed, and the root key file ${path} cannot be read. Put the key back, or give it with ` +
        'COFFER_ROOT_KEY, COFFER_ROOT_KEY_FILE or COFFER_ROOT_KEY_COMMAND. Nothing has been changed.',
      path,
    )
  }
  const { mode } = await stat(path)
  const isOpenToOthers = (mode & 0o077) !== 0
  return {
    key: parseRootKey(text, path),
    origin: path,
    isNew: false,
    ...(isOpenToOthers && { warning: `other users of this machine can read the root key: chmod 600 ${path}` }),
  }
}

/** A random key, in a file that only its owner can read. Rejects with EEXIST: a key is never written over. */
export async function makeRootKeyFile(path: string): Promise<RootKey> {
  const key = Secret.random(ROOT_KEY_SIZE_BYTES)
  const text = `${Buffer.from(insecureExportKeyBytes(key)).toString('base64')}\n`
  await writeNewFile(path, text, 0o600)
  return { key, origin: path, keptIn: path, isNew: true }
}

async function runRootKeyCommand(command: readonly string[]): Promise<RootKey> {
  const [program = '', ...programArguments] = command
  const environment = { ...process.env }
  delete environment.COFFER_ROOT_SECRET_ACCESS_KEY
  const text = await new Promise<string>((resolve, reject) => {
    const options = {
      timeout: ROOT_KEY_COMMAND_TIMEOUT_MS,
      maxBuffer: ROOT_KEY_FILE_SIZE_BYTES_MAX,
      env: environment,
      encoding: 'latin1',
    } as const
    execFile(program, programArguments, options, (error, stdout) => {
      // The error's own message holds the command line, which may hold a secret, and its output: only the code is told.
      if (error) reject(cofferError('COFFER_ROOT_KEY_COMMAND_FAILED', `${program}: ${exitOf(error)}`))
      else resolve(stdout)
    }).stdin?.end()
  })
  return { key: parseRootKey(text, `the output of ${program}`), origin: `the output of ${program}`, isNew: false }
}

function exitOf(error: { code?: string | number | null | undefined; killed?: boolean | undefined }): string {
  if (error.killed) return `stopped after ${ROOT_KEY_COMMAND_TIMEOUT_MS / 1000} s or 4 KiB of output`
  return typeof error.code === 'number' ? `ended with status ${error.code}` : `could not run (${error.code})`
}

function parseRootKey(text: string, origin: string): Secret {
  const encoded = ROOT_KEY_FORM.exec(text)?.[1]
  const bytes = encoded === undefined ? undefined : Buffer.from(encoded, 'base64')
  // Base64 whose unused bits are not zero is two spellings of one key: a typing error rather than a key.
  if (bytes?.length !== ROOT_KEY_SIZE_BYTES || bytes.toString('base64') !== encoded) {
    const why = `the root key (${origin}) is not 32 bytes in base64. Nothing has been changed.`
    throw rootKeyError('KMS_ROOT_KEY_MALFORMED', why, origin)
  }
  return Secret.take(bytes)
}

async function readSmallFile(path: string): Promise<string | undefined> {
  try {
    const { size } = await stat(path)
    return size > ROOT_KEY_FILE_SIZE_BYTES_MAX ? '' : await readFile(path, 'latin1')
  } catch {
    return undefined
  }
}

function rootKeyError(code: KmsErrorCode, message: string, origin: string): CofferError {
  return new CofferError({ code, message, details: { origin } })
}
