import type { Optional, WithDefault } from './declaration.ts'
import { fraction, oneOf, text } from './values.ts'

const file = text('a path')

/** Traces of requests and jobs (docs/traces.md). */
export const TRACE_OPTIONS = {
  tracesEndpoint: {
    value: text(
      'an https URL with its path, such as https://collector.example:4318/v1/traces; http only to this machine',
      /^(https:\/\/[^@\s]+|http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(\/\S*)?)$/,
    ),
    environment: 'COFFER_TRACES_ENDPOINT',
    flag: 'traces-endpoint',
    flagValue: 'url',
    text: 'The OpenTelemetry collector that traces are sent to, OTLP over HTTP (docs/traces.md). Absent: nothing is traced.',
  } satisfies Optional<string>,
  tracesSampleRatio: {
    value: fraction(),
    environment: 'COFFER_TRACES_SAMPLE_RATIO',
    flag: 'traces-sample-ratio',
    flagValue: 'ratio',
    default: '0.01',
    text: 'How many of the traces that begin here are kept: 1 is all of them.',
  } satisfies WithDefault<number>,
  tracesClientContext: {
    value: oneOf(['link', 'continue']),
    environment: 'COFFER_TRACES_CLIENT_CONTEXT',
    flag: 'traces-client-context',
    flagValue: 'link|continue',
    default: 'link',
    text: "What a client's traceparent header counts for. link: a trace of its own begins, which points to the client's; only the ratio decides whether it is kept. continue: the client's trace goes on and the client decides, so only where all clients may be trusted with that.",
  } satisfies WithDefault<'link' | 'continue'>,
  tracesCaFile: {
    value: file,
    environment: 'COFFER_TRACES_CA_FILE',
    flag: 'traces-ca-file',
    flagValue: 'path',
    text: "Certificates that the collector's is checked against, PEM.",
  } satisfies Optional<string>,
  tracesHeadersFile: {
    value: file,
    environment: 'COFFER_TRACES_HEADERS_FILE',
    flag: 'traces-headers-file',
    flagValue: 'path',
    text: 'A file with headers for the collector, a secret token for example: `name: value` a line. Read again when it changes.',
  } satisfies Optional<string>,
} as const
