import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { BlobStore } from '@coffer/blob-store'
import type { OwnedBlobStore, S3BlobStoreOptions } from '@coffer/blob-store/drivers/s3'
import { readConfigFile } from '@coffer/config'
import { z } from 'zod'
import { cofferError } from './errors.ts'

/** Where object bytes are: at the endpoint that the file names, else in the directory. */
export interface BlobLocation {
  readonly blobsDirectory: string
  /** The file that COFFER_BLOBS_FILE names. */
  readonly blobsFile: string | undefined
}

const MINUTE_MS = 60_000
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost'])

/** Of an S3 endpoint: TLS, but on this machine. */
export const endpointUrl = z.url({ protocol: /^https?$/ }).refine((text) => {
  const { protocol, hostname, username, password, pathname, search, hash } = new URL(text)
  const isBare = `${username}${password}${search}${hash}` === '' && pathname === '/'
  return isBare && (protocol === 'https:' || LOOPBACK.has(hostname))
}, 'https://host:port, or http:// on this machine; nothing after it, no credentials in it')

const BlobsConfiguration = z.strictObject({
  type: z.literal('s3'),
  /** Absent: AWS in that region. */
  endpoint: endpointUrl.optional(),
  region: z.string().regex(/^[a-z0-9-]{1,64}$/, 'a region such as eu-central-1'),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'the name of a bucket'),
  prefix: z
    .string()
    .regex(/^([A-Za-z0-9_-]{1,64}\/){0,8}$/, 'folders of A-Z a-z 0-9 _ -, each with a slash behind it')
    .default(''),
  /** Absent: the chain of the AWS SDK. */
  accessKeyId: z
    .string()
    .regex(/^[\x21-\x7e]{3,128}$/, '3 to 128 printable characters')
    .optional(),
  secretAccessKeyFile: z.string().min(1).optional(),
  caFile: z.string().min(1).optional(),
  forcePathStyle: z.boolean().default(false),
  /** How long what is deleted stays for downloads that have begun. */
  deleteDelayMinutes: z.number().int().min(1).max(43_200).default(60),
})

/** Reads nothing from an endpoint yet. COFFER_BLOBS_CONFIGURATION_INVALID, BLOB_... */
export async function openBlobStore({ blobsDirectory, blobsFile }: BlobLocation): Promise<BlobStore | OwnedBlobStore> {
  if (blobsFile === undefined) {
    const { openFsBlobStore } = await import('@coffer/blob-store/drivers/fs')
    return await openFsBlobStore({ directory: blobsDirectory })
  }
  const options = await s3OptionsOf(blobsFile)
  const { openS3BlobStore } = await import('@coffer/blob-store/drivers/s3')
  return openS3BlobStore(options)
}

/** Paths in the file are relative to it. */
async function s3OptionsOf(blobsFile: string): Promise<S3BlobStoreOptions> {
  const parsed = BlobsConfiguration.safeParse(readConfigFile(blobsFile))
  if (!parsed.success) throw invalid(blobsFile, messagesOf(parsed.error))
  const { type: _, accessKeyId, secretAccessKeyFile, caFile, deleteDelayMinutes, ...location } = parsed.data
  if ((accessKeyId === undefined) !== (secretAccessKeyFile === undefined)) {
    throw invalid(blobsFile, 'accessKeyId and secretAccessKeyFile: both, or neither')
  }
  const pathOf = (path: string) => resolve(dirname(blobsFile), path)
  return {
    ...location,
    ...(accessKeyId !== undefined &&
      secretAccessKeyFile !== undefined && {
        accessKey: { accessKeyId, secretAccessKeyFile: await readable(blobsFile, pathOf(secretAccessKeyFile)) },
      }),
    ...(caFile !== undefined && { ca: await readFile(await readable(blobsFile, pathOf(caFile)), 'utf8') }),
    deleteDelayMs: deleteDelayMinutes * MINUTE_MS,
  }
}

async function readable(blobsFile: string, path: string): Promise<string> {
  await readFile(path).catch((cause: unknown) => {
    throw invalid(blobsFile, `cannot read ${path}`, cause)
  })
  return path
}

/** Where and what, never the value. */
function messagesOf(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; ')
}

function invalid(path: string, why: string, cause?: unknown) {
  return cofferError('COFFER_BLOBS_CONFIGURATION_INVALID', `${path}: ${why}`, { path }, { cause })
}
