import { FIRST_STORE } from '@coffer/blob-store'
import { STORAGE_CLASSES } from '@coffer/s3-protocol'
import { z } from 'zod'
import { cofferError } from './errors.ts'

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost'])
/** Beside the first: far more than there are classes, so that data can be moved from one to another. */
const STORES_MAX = 32

/** Of an S3 endpoint: TLS, but on this machine. */
export const endpointUrl = z.url({ protocol: /^https?$/ }).refine((text) => {
  const { protocol, hostname, username, password, pathname, search, hash } = new URL(text)
  const isBare = `${username}${password}${search}${hash}` === '' && pathname === '/'
  return isBare && (protocol === 'https:' || LOOPBACK.has(hostname))
}, 'https://host:port, or http:// on this machine; nothing after it, no credentials in it')

const s3 = z.strictObject({
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

const directory = z.strictObject({ type: z.literal('directory'), path: z.string().min(1).max(4096) })

const storeName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'a name of a-z 0-9 -')

const store = z.discriminatedUnion('type', [s3, directory])

const several = z.strictObject({
  stores: z
    .record(storeName, store)
    .refine((stores) => Object.keys(stores).length <= STORES_MAX, `at most ${STORES_MAX} stores`),
  classes: z.partialRecord(z.enum(STORAGE_CLASSES), storeName).default({}),
})

export type StoreConfiguration = z.infer<typeof store>

export interface BlobsConfiguration {
  /** By name; without the first one, that is in the data directory. */
  readonly stores: ReadonlyMap<string, StoreConfiguration>
  /** Storage class to the name of its store. */
  readonly classes: ReadonlyMap<string, string>
}

/** Of one place for everything, or of stores and the classes that they are for. COFFER_BLOBS_CONFIGURATION_INVALID. */
export function parseBlobsConfiguration(path: string, content: unknown): BlobsConfiguration {
  const isOne = typeof content === 'object' && content !== null && 'type' in content
  if (isOne) return { stores: new Map([[FIRST_STORE, parsed(path, store, content)]]), classes: new Map() }
  const { stores, classes } = parsed(path, several, content)
  for (const [storageClass, name] of Object.entries(classes)) {
    if (name !== FIRST_STORE && !Object.hasOwn(stores, name)) {
      throw blobsFileError(path, `classes.${storageClass}: there is no store ${name}`)
    }
  }
  return { stores: new Map(Object.entries(stores)), classes: new Map(Object.entries(classes)) }
}

function parsed<Schema extends z.ZodType>(path: string, schema: Schema, content: unknown): z.infer<Schema> {
  const result = schema.safeParse(content)
  if (result.success) return result.data
  throw blobsFileError(path, messagesOf(result.error))
}

export function blobsFileError(path: string, why: string, cause?: unknown): Error {
  return cofferError('COFFER_BLOBS_CONFIGURATION_INVALID', `${path}: ${why}`, { path }, { cause })
}

/** Where and what, never the value. */
function messagesOf(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${messageOf(issue)}`).join('; ')
}

function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_key' && issue.path[0] === 'stores') return issue.issues[0]?.message ?? issue.message
  const isUnknownClass = issue.code === 'unrecognized_keys' || issue.code === 'invalid_key'
  if (!isUnknownClass || issue.path[0] !== 'classes') return issue.message
  return `${issue.message}; a class is one of ${STORAGE_CLASSES.join(', ')} (clients do not read GLACIER and DEEP_ARCHIVE at once)`
}
