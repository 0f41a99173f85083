import { randomInt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Configuration } from '@coffer/config'
import type { AccessKey } from '@coffer/contracts'
import { insecureExportKeyBytes } from '@coffer/crypto-core'
import { writeNewFile } from './durable-file.ts'
import { cofferError } from './errors.ts'

const ACCESS_KEY_ID_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const ACCESS_KEY_ID_LENGTH = 20
/** No characters that shells, URLs or configuration files treat specially: 40 of these are 238 bits. */
const SECRET_ACCESS_KEY_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const SECRET_ACCESS_KEY_LENGTH = 40

const CREDENTIALS_FORM =
  /^COFFER_ROOT_ACCESS_KEY_ID=(\w{3,128})\nCOFFER_ROOT_SECRET_ACCESS_KEY=([\x21-\x7e]{8,128})\s*$/

export type RootCredentialSettings = Pick<
  Configuration,
  'rootAccessKeyId' | 'rootSecretAccessKey' | 'rootCredentialsFile'
>

/**
 * The access key given by configuration, itself or in a file; undefined if none. COFFER_ROOT_CREDENTIALS_INVALID if only half of it is,
 * if it is given twice, or if the file does not hold it.
 */
export async function configuredRootCredentials(settings: RootCredentialSettings): Promise<AccessKey | undefined> {
  const { rootAccessKeyId, rootSecretAccessKey, rootCredentialsFile: path } = settings
  if (rootAccessKeyId === undefined && rootSecretAccessKey === undefined) {
    if (path === undefined) return undefined
    const kept = await readRootCredentials(path)
    if (kept === undefined) throw cofferError('COFFER_ROOT_CREDENTIALS_INVALID', `there is no file ${path}`, { path })
    return kept
  }
  if (path !== undefined) {
    const why =
      'COFFER_ROOT_CREDENTIALS_FILE takes the place of COFFER_ROOT_ACCESS_KEY_ID and COFFER_ROOT_SECRET_ACCESS_KEY, and both are set'
    throw cofferError('COFFER_ROOT_CREDENTIALS_INVALID', why)
  }
  if (rootAccessKeyId === undefined || rootSecretAccessKey === undefined) {
    const why = 'COFFER_ROOT_ACCESS_KEY_ID and COFFER_ROOT_SECRET_ACCESS_KEY go together, and only one is set'
    throw cofferError('COFFER_ROOT_CREDENTIALS_INVALID', why)
  }
  const secretAccessKey = Buffer.from(insecureExportKeyBytes(rootSecretAccessKey)).toString('utf8')
  return { accessKeyId: rootAccessKeyId, secretAccessKey }
}

export function rootCredentialsPath(secretsDirectory: string): string {
  return join(secretsDirectory, 'root-credentials')
}

/** The access key kept in a file of `NAME=value` lines (it can be sourced by a shell); undefined if there is none. */
export async function readRootCredentials(path: string): Promise<AccessKey | undefined> {
  let source: string
  try {
    source = await readFile(path, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw cofferError('COFFER_ROOT_CREDENTIALS_INVALID', `cannot read ${path}`, { path }, { cause })
  }
  const [, accessKeyId, secretAccessKey] = CREDENTIALS_FORM.exec(source) ?? []
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    const why = `${path} does not hold COFFER_ROOT_ACCESS_KEY_ID=... and COFFER_ROOT_SECRET_ACCESS_KEY=..., a line each`
    throw cofferError('COFFER_ROOT_CREDENTIALS_INVALID', why, { path })
  }
  return { accessKeyId, secretAccessKey }
}

/** Makes a random access key and the file that keeps it, readable by its owner only. */
export async function makeRootCredentials(path: string): Promise<AccessKey> {
  const accessKeyId = randomText(ACCESS_KEY_ID_ALPHABET, ACCESS_KEY_ID_LENGTH)
  const secretAccessKey = randomText(SECRET_ACCESS_KEY_ALPHABET, SECRET_ACCESS_KEY_LENGTH)
  const lines = `COFFER_ROOT_ACCESS_KEY_ID=${accessKeyId}\nCOFFER_ROOT_SECRET_ACCESS_KEY=${secretAccessKey}\n`
  await writeNewFile(path, lines, 0o600)
  return { accessKeyId, secretAccessKey }
}

function randomText(alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}
