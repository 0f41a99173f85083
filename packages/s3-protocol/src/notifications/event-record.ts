import { urlEncode } from '../xml/write-xml.ts'
import type { ObjectEventName } from './event-names.ts'

/** What an event is told of; nothing in it is secret. */
export interface ObjectEvent {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly name: ObjectEventName
  readonly region: string
  /** Who did it, and whence; absent: Coffer, by a rule of the bucket. */
  readonly request?: {
    readonly principalId: string
    readonly sourceIp: string
    readonly requestId: string
    /** Its trace, where that is kept (W3C Trace Context); not part of the record. */
    readonly traceparent?: string
  }
  readonly bucket: { readonly name: string; readonly ownerId: string }
  readonly object: {
    readonly key: string
    readonly sizeBytes?: number
    /** Without quotes. */
    readonly etag?: string
    readonly versionId?: string
  }
}

/** One event, as S3 sends it. Source: S3 User Guide, "Event message structure". */
export function renderEventRecord(
  event: ObjectEvent,
  configurationId: string,
  sequencer: string,
): Record<string, unknown> {
  const { bucket, object, request } = event
  return {
    eventVersion: /:Object(Created|Removed):/.test(event.name) ? '2.1' : '2.3',
    eventSource: 'aws:s3',
    awsRegion: event.region,
    eventTime: new Date(event.at).toISOString(),
    eventName: event.name.slice('s3:'.length),
    userIdentity: { principalId: request?.principalId ?? 's3.amazonaws.com' },
    requestParameters: { sourceIPAddress: request?.sourceIp ?? 's3.amazonaws.com' },
    responseElements: { 'x-amz-request-id': request?.requestId ?? '', 'x-amz-id-2': 'coffer' },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId,
      bucket: {
        name: bucket.name,
        ownerIdentity: { principalId: bucket.ownerId },
        arn: `arn:aws:s3:::${bucket.name}`,
      },
      object: {
        key: urlEncode(object.key).replaceAll('%20', '+'),
        size: object.sizeBytes,
        eTag: object.etag,
        versionId: object.versionId,
        sequencer,
      },
    },
  }
}
