import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { Secret } from '@coffer/crypto-core'
import { kmsError } from '../../errors.ts'
import type { Pkcs11Options } from './options.ts'

const COMMAND_TIMEOUT_MS = 10_000
const PIN_BYTES_MAX = 256

/** The PIN as it is now. A line end after it is not part of it. KMS_ACCESS_DENIED where there is none to be had. */
export async function readPin({ pinFile, pinCommand }: Pkcs11Options): Promise<Secret> {
  const bytes = await (pinFile === undefined ? printed(pinCommand ?? []) : readFile(pinFile)).catch(() => {
    // The cause may hold what the program printed.
    throw kmsError('KMS_ACCESS_DENIED', { reason: pinFile === undefined ? 'pinCommand failed' : 'pinFile unreadable' })
  })
  try {
    let end = bytes.length
    while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--
    if (end === 0 || end > PIN_BYTES_MAX) throw kmsError('KMS_ACCESS_DENIED', { reason: 'no PIN' })
    return Secret.copyOf(bytes.subarray(0, end))
  } finally {
    bytes.fill(0)
  }
}

async function printed([program = '', ...args]: readonly string[]): Promise<Buffer> {
  const options = { timeout: COMMAND_TIMEOUT_MS, maxBuffer: PIN_BYTES_MAX * 2, encoding: 'buffer' } as const
  return (await promisify(execFile)(program, args, options)).stdout
}
