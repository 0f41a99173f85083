import type { S3Error } from '../errors.ts'
import { element, plainDocument } from './write-xml.ts'

/** The body of an error response (S3 API Reference, "Error responses"). */
export function renderError(
  error: S3Error,
  context: { readonly resource: string; readonly requestId: string; readonly hostId: string },
): string {
  const details = Object.entries(error.details).map(([name, value]) => element(name, value))
  return plainDocument(
    'Error',
    element('Code', error.code) +
      element('Message', error.message) +
      details.join('') +
      element('Resource', context.resource) +
      element('RequestId', context.requestId) +
      element('HostId', context.hostId),
  )
}
