import { readFile } from 'node:fs/promises'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { S3Client } from '@aws-sdk/client-s3'
import { blobError } from '../../errors.ts'

/** An access key at the provider; the secret stays in its file, which is read again from time to time. */
export interface S3AccessKey {
  readonly accessKeyId: string
  readonly secretAccessKeyFile: string
}

export interface S3Location {
  /** Absent: AWS, in that region. */
  readonly endpoint?: string | undefined
  readonly region: string
  readonly bucket: string
  /** Empty, or ends in a slash. */
  readonly prefix: string
  /** Absent: the SDK's chain (environment, shared files, web identity, container, instance). */
  readonly accessKey?: S3AccessKey | undefined
  /** Certificates (PEM) that the endpoint's is checked against, instead of the system's. */
  readonly ca?: string | undefined
  readonly forcePathStyle: boolean
}

/** With jittered, growing pauses between them (the SDK's standard mode): on time-outs, cuts, throttling and 5xx. */
const ATTEMPTS_MAX = 4
const CONNECT_TIMEOUT_MS = 5_000
/** Without a byte from the endpoint. */
const SILENCE_TIMEOUT_MS = 30_000
const SOCKETS_MAX = 256
/** A rotated secret is in use after this at the latest. */
const SECRET_FRESH_MS = 600_000

export function s3ClientFor({ endpoint, region, accessKey, ca, forcePathStyle }: S3Location): S3Client {
  const agent = { keepAlive: true, maxSockets: SOCKETS_MAX }
  return new S3Client({
    ...(endpoint !== undefined && { endpoint }),
    region,
    forcePathStyle,
    ...(accessKey && { credentials: () => readAccessKey(accessKey) }),
    maxAttempts: ATTEMPTS_MAX,
    retryMode: 'standard',
    // Ours go with each write (end to end), and what is read is verified by its cipher.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      // Not for a request as a whole: a part over a slow line takes its time.
      socketTimeout: SILENCE_TIMEOUT_MS,
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent({ ...agent, ...(ca !== undefined && { ca }) }),
    },
  })
}

async function readAccessKey({ accessKeyId, secretAccessKeyFile }: S3AccessKey) {
  const secretAccessKey = await readFile(secretAccessKeyFile, 'utf8').catch((cause: unknown) => {
    throw blobError('BLOB_UNAVAILABLE', { reason: 'the secret access key cannot be read' }, { cause })
  })
  return { accessKeyId, secretAccessKey: secretAccessKey.trim(), expiration: new Date(Date.now() + SECRET_FRESH_MS) }
}
