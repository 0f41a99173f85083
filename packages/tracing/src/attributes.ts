/**
 * Everything that a span may tell: names of OpenTelemetry's semantic conventions (1.45), where they have one. The list is
 * closed, so that nothing else gets into a trace by the way: no name of an object, no query string, no header, no address of a
 * client, no text of an error.
 */
export interface SpanAttributes {
  readonly 'http.request.method'?: string
  readonly 'http.response.status_code'?: number
  readonly 'http.request.body.size'?: number
  readonly 'url.scheme'?: 'http' | 'https'
  readonly 'network.protocol.version'?: string
  /** What the client is told as x-amz-request-id, and the log as `requestId`. */
  readonly 'aws.request_id'?: string
  /** Not `aws.s3.key`: names of objects may say what nobody else shall read. */
  readonly 'aws.s3.bucket'?: string
  readonly 'rpc.system.name'?: string
  /** `service/method` of an API or of the mesh. */
  readonly 'rpc.method'?: string
  /** A code of an error catalogue. */
  readonly 'error.type'?: string
  readonly 'db.system.name'?: string
  readonly 'db.operation.name'?: string
  readonly 'messaging.destination.name'?: string
  readonly 'messaging.operation.name'?: string
  readonly 'messaging.batch.message_count'?: number
  readonly 'coffer.kms.connector'?: string
  readonly 'coffer.blob.size_bytes'?: number
  readonly 'coffer.job.kind'?: string
  readonly 'coffer.job.objects'?: number
}
