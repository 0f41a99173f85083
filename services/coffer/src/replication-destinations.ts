import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { readConfigFile } from '@coffer/config'
import type { ReplicationDestination } from '@coffer/service-rotation/replication'
import { z } from 'zod'
import { endpointUrl } from './blobs-configuration.ts'
import { cofferError } from './errors.ts'

const HOUR_MS = 3_600_000
const bucketName = z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'the name of a bucket')

const Destination = z.strictObject({
  endpoint: endpointUrl,
  region: z.string().regex(/^[a-z0-9-]{1,64}$/, 'a region such as eu-central-1'),
  /** Absent: the one that the ARN names. */
  bucket: bucketName.optional(),
  accessKeyId: z.string().regex(/^[\x21-\x7e]{3,128}$/, '3 to 128 printable characters'),
  secretAccessKeyFile: z.string().min(1),
  caFile: z.string().min(1).optional(),
  forcePathStyle: z.boolean().default(true),
  /** Which buckets of this store may be replicated there: names, or beginnings of names with a * behind. */
  buckets: z
    .array(z.string().regex(/^[a-z0-9.-]{0,63}\*?$/, 'names of buckets, or beginnings of them with a * behind'))
    .min(1),
  /** Whether rules may send objects with SSE-KMS there: they are decrypted for it whoever set the rule, and no key policy is asked. */
  kmsObjects: z.boolean().default(false),
  /** Off for a provider that refuses the header. */
  marksReplicas: z.boolean().default(true),
})

/** The file that COFFER_REPLICATION_FILE names. */
const ReplicationConfiguration = z.strictObject({
  /** A version that a destination has refused this often has failed... */
  attemptsMax: z.number().int().min(1).max(100).default(8),
  /** ...and so has one that could not be delivered for this long. */
  waitHoursMax: z.number().int().min(1).max(8_760).default(168),
  /** After how long a version of a rule with ReplicationTime is late, so that who listens is told: with AWS 15 minutes. */
  lateSeconds: z.number().int().min(1).max(86_400).default(900),
  destinations: z.record(
    z.string().regex(/^arn:aws(-[a-z]+)*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'an ARN such as arn:aws:s3:::bucket'),
    Destination,
  ),
})

type Configured = z.infer<typeof ReplicationConfiguration>

export interface ReplicationDestinations {
  readonly destinations: ReadonlyMap<string, ReplicationDestination>
  readonly attemptsMax: number
  readonly waitMsMax: number
  readonly thresholdMs: number
  close(): void
}

/** What a replication configuration may name, and for which buckets. COFFER_REPLICATION_CONFIGURATION_INVALID. */
export function replicationDestinationNames(
  file: string | undefined,
): readonly { readonly arn: string; readonly takesKmsObjects: boolean; isFor(bucket: string): boolean }[] {
  if (file === undefined) return []
  return Object.entries(configurationIn(file).destinations).map(([arn, { buckets, kmsObjects }]) => ({
    arn,
    takesKmsObjects: kmsObjects,
    isFor: (bucket) => isListed(buckets, bucket),
  }))
}

/** Asks nothing of an endpoint yet. Paths in the file are relative to it. COFFER_REPLICATION_CONFIGURATION_INVALID. */
export async function openReplicationDestinations(file: string): Promise<ReplicationDestinations> {
  const { destinations: configured, attemptsMax, waitHoursMax, lateSeconds } = configurationIn(file)
  const { openS3Destination } = await import('@coffer/service-rotation/replication')
  const destinations = new Map<string, ReplicationDestination>()
  for (const [
    arn,
    { accessKeyId, secretAccessKeyFile, caFile, buckets, bucket, kmsObjects, ...location },
  ] of Object.entries(configured)) {
    const secretFile = pathIn(file, secretAccessKeyFile)
    await readIn(file, secretFile)
    destinations.set(
      arn,
      openS3Destination({
        ...location,
        bucket: bucket ?? arn.slice(arn.lastIndexOf(':') + 1),
        accessKey: { accessKeyId, secretAccessKeyFile: secretFile },
        ...(caFile !== undefined && { ca: await readIn(file, pathIn(file, caFile)) }),
        takesKmsObjects: kmsObjects,
        isFor: (name) => isListed(buckets, name),
      }),
    )
  }
  const close = () => {
    for (const destination of destinations.values()) destination.close()
  }
  return { destinations, attemptsMax, waitMsMax: waitHoursMax * HOUR_MS, thresholdMs: lateSeconds * 1_000, close }
}

function isListed(patterns: readonly string[], bucket: string): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? bucket.startsWith(pattern.slice(0, -1)) : pattern === bucket,
  )
}

function configurationIn(file: string): Configured {
  const parsed = ReplicationConfiguration.safeParse(readConfigFile(file))
  if (parsed.success) return parsed.data
  // Where and what, never the value.
  const why = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; ')
  throw invalid(file, why)
}

function pathIn(file: string, path: string): string {
  return resolve(dirname(file), path)
}

async function readIn(file: string, path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    throw invalid(file, `cannot read ${path}`, cause)
  })
}

function invalid(path: string, why: string, cause?: unknown) {
  return cofferError('COFFER_REPLICATION_CONFIGURATION_INVALID', `${path}: ${why}`, { path }, { cause })
}
