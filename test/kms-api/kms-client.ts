import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { KMSClient } from '@aws-sdk/client-kms'
import { type RawRequest, type RawResponse, type RawSigning, sendSigned } from '../harness/raw-request.ts'
import type { ClientTarget } from '../harness/s3.ts'

/** The AWS SDK for KMS, trusting only the server's CA file. It does not retry: a test sees the first answer. */
export function kmsClient(target: ClientTarget): KMSClient {
  const secure = target.endpoint.startsWith('https:')
  return new KMSClient({
    endpoint: target.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: target.accessKeyId, secretAccessKey: target.secretAccessKey },
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: 60_000,
      ...(secure && { httpsAgent: new Agent({ ca: readFileSync(target.caFile) }) }),
    },
  })
}

export interface KmsAnswer {
  readonly status: number
  readonly type: string | undefined
  readonly message: string
  readonly headers: RawResponse['headers']
  readonly body: Readonly<Record<string, unknown>>
}

/** A request to the KMS API as no SDK would send it, signed for the service `kms` unless told otherwise. */
export async function callKms(
  target: ClientTarget,
  operation: string,
  body: unknown,
  signing: RawSigning = {},
  more: Partial<RawRequest> = {},
): Promise<KmsAnswer> {
  const bytes = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
  const raw: RawRequest = {
    method: 'POST',
    path: '/',
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `TrentService.${operation}` },
    body: bytes,
    ...more,
  }
  return answerOf(await sendSigned(target, raw, { service: 'kms', ...signing }))
}

export function answerOf({ status, headers, body }: RawResponse): KmsAnswer {
  const parsed = body.length === 0 ? {} : JSON.parse(body.toString())
  return { status, type: parsed.__type, message: parsed.message ?? '', headers, body: parsed }
}
