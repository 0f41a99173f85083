import { readFile, stat } from 'node:fs/promises'
import { dirname, isAbsolute, resolve } from 'node:path'
import { type Configuration, readConfigFile } from '@coffer/config'
import { chooseDataAlgorithm } from '@coffer/crypto-core'
import { CofferError } from '@coffer/errors'
import { type AdoptionOptions, ROTATION_ERRORS } from '@coffer/service-rotation'
import { z } from 'zod'
import { endpointUrl } from './blobs-configuration.ts'

const OTHERS = 0o077

/** The file with the access key of a store that objects are adopted from. */
const SourceCredentials = z.strictObject({
  accessKeyId: z.string().regex(/^[\x21-\x7e]{3,128}$/, '3 to 128 printable characters'),
  secretAccessKeyFile: z.string().min(1),
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, 'a region such as eu-central-1')
    .default('us-east-1'),
  caFile: z.string().min(1).optional(),
  forcePathStyle: z.boolean().default(true),
})

type SourcePlace = Parameters<AdoptionOptions['openSource']>[0]

/** How objects that are adopted are kept: as those that are put. */
export type AdoptionSettings = Pick<Configuration, 'dataAlgorithm' | 'inlineSizeBytesMax'>

export function adoptionOptions({ dataAlgorithm, inlineSizeBytesMax }: AdoptionSettings): AdoptionOptions {
  return { dataAlgorithm: chooseDataAlgorithm(dataAlgorithm), inlineSizeBytesMax, openSource }
}

/** `https://endpoint/bucket`. ROTATION_SOURCE_CONFIGURATION_INVALID. */
export function sourcePlaceOf(from: string, credentialsFile: string): SourcePlace {
  const url = URL.canParse(from) ? new URL(from) : undefined
  const bucket = url?.pathname.replace(/^\/+|\/+$/g, '') ?? ''
  const isBare = url !== undefined && `${url.username}${url.password}${url.search}${url.hash}` === ''
  if (!isBare || bucket === '' || bucket.includes('/') || !endpointUrl.safeParse(url.origin).success) {
    throw invalid('it is given as https://host:port/bucket (http:// on this machine only), without credentials')
  }
  if (!isAbsolute(credentialsFile)) throw invalid('the path of the credentials file has to be absolute')
  return { endpoint: url.origin, bucket, credentialsFile }
}

/** Asks nothing of the source yet. Paths in the file are relative to it. ROTATION_SOURCE_CONFIGURATION_INVALID. */
async function openSource({ endpoint, bucket, credentialsFile: file }: SourcePlace) {
  if (!endpointUrl.safeParse(endpoint).success) throw invalid('https://host:port, or http:// on this machine')
  await assertPrivate(file)
  const { secretAccessKeyFile, accessKeyId, caFile, ...location } = credentialsIn(file)
  const secretFile = resolve(dirname(file), secretAccessKeyFile)
  await assertPrivate(secretFile)
  const ca = caFile === undefined ? undefined : await readText(resolve(dirname(file), caFile))
  const { openS3Source } = await import('@coffer/service-rotation/adopt')
  return openS3Source({
    ...location,
    endpoint,
    bucket,
    accessKey: { accessKeyId, secretAccessKeyFile: secretFile },
    ...(ca !== undefined && { ca }),
  })
}

/** Reads the files as a job will: what is wrong with them is told at once. ROTATION_SOURCE_CONFIGURATION_INVALID. */
export async function assertSourceOpens(place: SourcePlace): Promise<void> {
  const source = await openSource(place)
  source.close()
}

function credentialsIn(file: string): z.infer<typeof SourceCredentials> {
  const parsed = SourceCredentials.safeParse(readConfigFile(file))
  if (parsed.success) return parsed.data
  // Where and what, never the value.
  const why = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; ')
  throw invalid(`${file}: ${why}`)
}

async function assertPrivate(path: string): Promise<void> {
  const { mode } = await stat(path).catch((cause: unknown) => {
    throw invalid(`cannot read ${path}`, cause)
  })
  if ((mode & OTHERS) !== 0) throw invalid(`other users of this machine can read ${path}: chmod 600 ${path}`)
}

async function readText(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    throw invalid(`cannot read ${path}`, cause)
  })
}

function invalid(why: string, cause?: unknown): CofferError {
  const code = 'ROTATION_SOURCE_CONFIGURATION_INVALID'
  return new CofferError({ code, message: `${ROTATION_ERRORS[code]}: ${why}` }, { cause })
}
