import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { eventTargetError } from './errors.ts'

/** Options of targets that are reached over TLS: whom to trust beside the system's authorities, and who we are. PEM. */
export const TLS_FILES = {
  caFile: z.string().optional(),
  certFile: z.string().optional(),
  keyFile: z.string().optional(),
}

interface TlsFiles {
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

/** As node:tls takes them. EVENT_TARGET_SECRET_UNREADABLE. */
export async function readTlsFiles({ caFile, certFile, keyFile }: TlsFiles) {
  return {
    ...(caFile !== undefined && { ca: await readPem(caFile) }),
    ...(certFile !== undefined && { cert: await readPem(certFile) }),
    ...(keyFile !== undefined && { key: await readPem(keyFile) }),
  }
}

async function readPem(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    throw eventTargetError('EVENT_TARGET_SECRET_UNREADABLE', { path }, { cause })
  })
}
