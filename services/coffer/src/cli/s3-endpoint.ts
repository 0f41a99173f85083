import { readFile } from 'node:fs/promises'
import { Secret } from '@coffer/crypto-core'
import type { LoadEndpoint } from '../bench/load-options.ts'
import { cofferError } from '../errors.ts'
import { readRootCredentials } from '../root-credentials.ts'

export interface EndpointFlags {
  readonly region: string
  readonly caFile?: string
  readonly insecure?: boolean
}

/** An S3 endpoint that a command is a client of. COFFER_ENDPOINT_INVALID, COFFER_ROOT_CREDENTIALS_INVALID. */
export async function s3EndpointOf(
  url: string,
  credentialsFile: string | undefined,
  flags: EndpointFlags,
): Promise<LoadEndpoint> {
  const caFile = flags.caFile ?? process.env.AWS_CA_BUNDLE
  const { accessKeyId, secretAccessKey } = await accessKeyOf(credentialsFile)
  return {
    url: checkedUrl(url),
    accessKeyId,
    secretAccessKey: Secret.take(Buffer.from(secretAccessKey, 'utf8')),
    region: flags.region,
    ...(caFile && { caPem: await readFile(caFile, 'utf8') }),
    ...(flags.insecure && { insecure: true }),
  }
}

/** Printed below the options of a command that takes an endpoint. */
export const ACCESS_KEY_HELP =
  '\nThe access key comes from --credentials-file, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,\n' +
  'or COFFER_ROOT_ACCESS_KEY_ID and COFFER_ROOT_SECRET_ACCESS_KEY; never from the command line.'

async function accessKeyOf(file: string | undefined): Promise<{ accessKeyId: string; secretAccessKey: string }> {
  const fromFile = file === undefined ? undefined : await readRootCredentials(file)
  if (fromFile) return fromFile
  if (file !== undefined) throw cofferError('COFFER_ROOT_CREDENTIALS_INVALID', `${file} does not exist`, { path: file })
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, COFFER_ROOT_ACCESS_KEY_ID, COFFER_ROOT_SECRET_ACCESS_KEY } =
    process.env
  const accessKeyId = AWS_ACCESS_KEY_ID || COFFER_ROOT_ACCESS_KEY_ID
  const secretAccessKey = AWS_ACCESS_KEY_ID ? AWS_SECRET_ACCESS_KEY : COFFER_ROOT_SECRET_ACCESS_KEY
  if (accessKeyId && secretAccessKey) return { accessKeyId, secretAccessKey }
  const why = 'no access key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --credentials-file'
  throw cofferError('COFFER_ROOT_CREDENTIALS_INVALID', why)
}

function checkedUrl(text: string): string {
  const url = URL.parse(text)
  if (url && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.username === '') return url.origin
  throw cofferError('COFFER_ENDPOINT_INVALID', `${text} is not of the form http(s)://host:port`)
}
