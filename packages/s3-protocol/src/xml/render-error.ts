import type { S3Error } from '../errors.ts'
import { controlDocument, element, plainDocument } from './write-xml.ts'

interface ErrorContext {
  readonly resource: string
  readonly requestId: string
  readonly hostId: string
}

/** The body of an error response (S3 API Reference, "Error responses"). */
export function renderError(error: S3Error, { resource, ...ids }: ErrorContext): string {
  return plainDocument('Error', renderWhat(error) + element('Resource', resource) + renderIds(ids))
}

/** The same of the S3 Control API: its SDKs look for the code in an element within the root (Smithy, restXml, "Error response serialization"). */
export function renderControlError(error: S3Error, ids: Omit<ErrorContext, 'resource'>): string {
  return controlDocument('ErrorResponse', `<Error>${renderWhat(error)}</Error>${renderIds(ids)}`)
}

function renderWhat(error: S3Error): string {
  const details = Object.entries(error.details).map(([name, value]) => element(name, value))
  return element('Code', error.code) + element('Message', error.message) + details.join('')
}

function renderIds({ requestId, hostId }: Omit<ErrorContext, 'resource'>): string {
  return element('RequestId', requestId) + element('HostId', hostId)
}
