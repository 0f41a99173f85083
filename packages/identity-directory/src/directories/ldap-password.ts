import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { directoryError } from '../errors.ts'
import type { LdapOptions } from './ldap-options.ts'

const COMMAND_TIMEOUT_MS = 10_000
const PASSWORD_BYTES_MAX = 1_024

/** As it is now: it may be changed without a restart. A line end after it is no part of it. DIRECTORY_UNAVAILABLE. */
export async function readBindPassword({ bindPasswordFile, bindPasswordCommand = [] }: LdapOptions): Promise<string> {
  const isFile = bindPasswordFile !== undefined
  const text = await (isFile ? readFile(bindPasswordFile, 'utf8') : printed(bindPasswordCommand)).catch(() => {
    // The cause may hold what the program printed.
    throw unreadable(isFile)
  })
  const password = text.replace(/\r?\n$/, '')
  if (password === '' || Buffer.byteLength(password) > PASSWORD_BYTES_MAX) throw unreadable(isFile)
  return password
}

function unreadable(isFile: boolean): Error {
  return directoryError('DIRECTORY_UNAVAILABLE', { reason: isFile ? 'bindPasswordFile' : 'bindPasswordCommand' })
}

async function printed([program = '', ...args]: readonly string[]): Promise<string> {
  const options = { timeout: COMMAND_TIMEOUT_MS, maxBuffer: PASSWORD_BYTES_MAX * 2 }
  return (await promisify(execFile)(program, args, options)).stdout
}
