import { createHmac } from 'node:crypto'
import type { RawResponse } from './raw-request.ts'
import { send } from './raw-request.ts'
import type { ClientTarget } from './s3.ts'
import { signingKeyOf, timestampOf } from './sigv4-client.ts'

const BOUNDARY = '----WebKitFormBoundary7MA4YWxkTrZu0gW'

export type Fields = Readonly<Record<string, string>>

/** A multipart/form-data body as a browser sends it, with a submit button after the file. */
export function formBody(fields: Fields, file?: { name: string; bytes: string | Uint8Array }): Buffer {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  const pieces = [Buffer.from(parts.join(''))]
  if (file !== undefined) {
    const disposition = `Content-Disposition: form-data; name="file"; filename="${file.name}"`
    pieces.push(Buffer.from(`--${BOUNDARY}\r\n${disposition}\r\nContent-Type: image/png\r\n\r\n`))
    pieces.push(Buffer.from(file.bytes), Buffer.from('\r\n'))
  }
  pieces.push(Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="submit"\r\n\r\nUpload\r\n`))
  return Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)])
}

/** Sends a form without any other credentials, as a browser does. */
export async function postForm(
  target: ClientTarget,
  bucket: string,
  body: Buffer,
  headers: Fields = {},
): Promise<RawResponse> {
  const sent = {
    'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
    'content-length': String(body.length),
    ...headers,
  }
  return await send(target, { method: 'POST', path: `/${bucket}`, headers: sent, body })
}

/**
 * The fields that sign a policy for these conditions, with a condition for each of themselves. Source: AWS, "Authenticating
 * requests in browser-based uploads using POST (AWS Signature Version 4)".
 */
export function policyFields(
  target: ClientTarget,
  conditions: readonly unknown[],
  options: { expiresAt?: Date; secretAccessKey?: string; region?: string } = {},
): Record<string, string> {
  const timestamp = timestampOf(new Date())
  const day = timestamp.slice(0, 8)
  const region = options.region ?? 'us-east-1'
  const signedFields = {
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${target.accessKeyId}/${day}/${region}/s3/aws4_request`,
    'x-amz-date': timestamp,
  }
  const expiration = (options.expiresAt ?? new Date(Date.now() + 600_000)).toISOString()
  const document = JSON.stringify({ expiration, conditions: [...conditions, signedFields] })
  const policy = Buffer.from(document).toString('base64')
  const signingKey = signingKeyOf(options.secretAccessKey ?? target.secretAccessKey, day, region)
  const signature = createHmac('sha256', signingKey).update(policy).digest('hex')
  return { ...signedFields, policy, 'x-amz-signature': signature }
}
