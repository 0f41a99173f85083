import { createHmac } from 'node:crypto'

/** The SigV4 signing key of one day, region and service (AWS General Reference, "Derive a signing key"). 32 bytes. */
export function deriveDayKey(secretAccessKey: string, date: string, region: string, service: string): Buffer {
  let key = createHmac('sha256', `AWS4${secretAccessKey}`).update(date).digest()
  for (const text of [region, service, 'aws4_request']) key = createHmac('sha256', key).update(text).digest()
  return key
}
