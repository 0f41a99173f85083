import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { createInterface } from 'node:readline'
import { insecureExportKeyBytes, type Secret } from '@coffer/crypto-core'
import { Command } from 'commander'
import type { LoadEndpoint } from '../bench/load-options.ts'
import { RequestSigner } from '../bench/request-signer.ts'
import { cofferError } from '../errors.ts'
import { readKeyMaterialFile } from '../key-material.ts'
import { print, printJson } from './print.ts'
import { ACCESS_KEY_HELP, s3EndpointOf } from './s3-endpoint.ts'

const REFUSAL_BYTES_MAX = 16 * 1024

interface ReplaceFlags {
  readonly endpoint: string
  readonly bucket: string
  readonly prefix: string
  readonly oldKeyFile: string
  readonly newKeyFile: string
  readonly dryRun?: boolean
  readonly credentialsFile?: string
  readonly region: string
  readonly caFile?: string
  readonly json?: boolean
}

/** What the server has told so far; `done`: all of it. */
interface Progress {
  readonly rekeyed: number
  readonly otherKey: number
  readonly notCustomer: number
  readonly failed: number
  readonly done?: boolean
  readonly failures?: readonly { readonly key: string; readonly versionId: string; readonly code: string }[]
}

export function customerKeyCommand(): Command {
  return new Command('customer-key')
    .description("clients' own keys (SSE-C), as a client: Coffer keeps none")
    .addCommand(replaceCommand())
}

function replaceCommand(): Command {
  return new Command('replace')
    .description('put every SSE-C version in a bucket that one key opens under another; no data moves')
    .requiredOption('--endpoint <url>', 'https://host:port')
    .requiredOption('--bucket <name>', 'the bucket')
    .option('--prefix <prefix>', 'only keys that begin with it', '')
    .requiredOption('--old-key-file <path>', '32 bytes, or their base64')
    .requiredOption('--new-key-file <path>', 'likewise')
    .option('--dry-run', 'only count')
    .option('--credentials-file <path>', 'access key as in secrets/root-credentials')
    .option('--region <name>', 'region to sign for', 'us-east-1')
    .option('--ca-file <path>', 'certificates that the server is checked against (default: AWS_CA_BUNDLE)')
    .option('--json', 'print JSON')
    .addHelpText('after', ACCESS_KEY_HELP)
    .action(replace)
}

async function replace(flags: ReplaceFlags): Promise<void> {
  const endpoint = await s3EndpointOf(flags.endpoint, flags.credentialsFile, flags)
  if (!endpoint.url.startsWith('https:')) {
    throw cofferError('COFFER_ENDPOINT_INVALID', 'keys are sent over https:// only', { url: endpoint.url })
  }
  const oldKey = await readKeyMaterialFile(flags.oldKeyFile)
  const newKey = await readKeyMaterialFile(flags.newKeyFile)
  try {
    const headers = {
      ...customerHeaders('x-amz-copy-source-server-side-encryption', oldKey),
      ...customerHeaders('x-amz-server-side-encryption', newKey),
    }
    const query = [...(flags.dryRun ? ['dry-run='] : []), `prefix=${uriEncode(flags.prefix)}`, 'x-coffer-rekey='].join(
      '&',
    )
    const last = await progressOf(await post(endpoint, `/${uriEncode(flags.bucket)}`, query, headers))
    if (flags.json) printJson(last)
    else print(render(last, flags.dryRun ?? false))
    if (last.failed > 0) process.exitCode = 1
  } finally {
    oldKey.wipe()
    newKey.wipe()
  }
}

async function post(
  endpoint: LoadEndpoint,
  path: string,
  query: string,
  headers: Record<string, string>,
): Promise<IncomingMessage> {
  const signed = new RequestSigner(endpoint).headersOf({ method: 'POST', path, query, headers })
  const request = httpsRequest(`${endpoint.url}${path}?${query}`, {
    method: 'POST',
    headers: Object.fromEntries(signed),
    agent: false,
    ...(endpoint.caPem !== undefined && { ca: endpoint.caPem }),
  })
  request.end()
  const [response] = (await once(request, 'response').catch((cause: unknown) => {
    throw cofferError('COFFER_REQUEST_REFUSED', `${endpoint.url} cannot be reached`, { url: endpoint.url }, { cause })
  })) as [IncomingMessage]
  if (response.statusCode === 200) return response
  let text = ''
  for await (const piece of response.setEncoding('utf8')) {
    if (text.length < REFUSAL_BYTES_MAX) text += piece
  }
  const said = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? ''
  throw cofferError('COFFER_REQUEST_REFUSED', `${said('Code') || response.statusCode}: ${said('Message')}`)
}

/** Tells of each line on standard error; returns the last. COFFER_REQUEST_REFUSED: there was none that said that it is all. */
async function progressOf(response: IncomingMessage): Promise<Progress> {
  let last: Progress | undefined
  try {
    for await (const line of createInterface({ input: response })) {
      last = JSON.parse(line) as Progress
      if (!last.done) process.stderr.write(`${last.rekeyed} so far\n`)
    }
  } catch (cause) {
    throw cofferError('COFFER_REQUEST_REFUSED', 'the answer was cut short; ask again for the rest', {}, { cause })
  }
  if (last?.done !== true)
    throw cofferError('COFFER_REQUEST_REFUSED', 'the answer was cut short; ask again for the rest')
  return last
}

function render({ rekeyed, otherKey, notCustomer, failed, failures = [] }: Progress, isDryRun: boolean): string {
  return [
    `${rekeyed} versions ${isDryRun ? 'would come' : 'came'} under the new key`,
    `${otherKey} are under another key than the old one`,
    `${notCustomer} are not under a customer's key`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...failures.map(({ key, versionId, code }) => `failed: ${key} (version ${versionId}): ${code}`),
  ].join('\n')
}

/** S3 User Guide, "Using server-side encryption with customer-provided keys". */
function customerHeaders(prefix: string, key: Secret): Record<string, string> {
  const bytes = insecureExportKeyBytes(key)
  return {
    [`${prefix}-customer-algorithm`]: 'AES256',
    [`${prefix}-customer-key`]: Buffer.from(bytes).toString('base64'),
    [`${prefix}-customer-key-md5`]: createHash('md5').update(bytes).digest('base64'),
  }
}

/** AWS, "Create a signed request": everything but unreserved characters. */
function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
