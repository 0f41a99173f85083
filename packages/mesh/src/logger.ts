import type { Tracer } from '@coffer/tracing'
import { type Logger, pino } from 'pino'

export type { Logger } from 'pino'

/** A second net below the Secret type: fields of these names are never shown, however they came into a log line. */
const REDACTED = ['secretAccessKey', 'password', 'authorization', 'secret', 'signingKey', 'rootKey', 'meshKey']

/** Structured logs, one JSON object a line (or `json: false` for a person's eyes), to standard error. */
export function createLogger(options: {
  readonly level: string
  readonly name: string
  readonly json: boolean
  /** Lines that belong to a trace say to which. */
  readonly tracer?: Pick<Tracer, 'current'> | undefined
}): Logger {
  const redact = REDACTED.flatMap((name) => [name, `*.${name}`])
  const { tracer } = options
  const settings = {
    level: options.level,
    name: options.name,
    redact,
    ...(tracer && { mixin: () => traceFields(tracer) }),
  }
  return options.json ? pino(settings, pino.destination(2)) : pino(settings, plainDestination())
}

/** Names: OpenTelemetry, "Trace Context in non-OTLP Log Formats". */
function traceFields(tracer: Pick<Tracer, 'current'>): object {
  const span = tracer.current()
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId }
}

/** `12:00:00 level message {fields}`: enough for a terminal, without a formatter process. */
function plainDestination(): { write(line: string): void } {
  return {
    write(line) {
      const { level, time, msg, name: _name, pid: _pid, hostname: _hostname, ...rest } = JSON.parse(line)
      const fields = Object.keys(rest).length > 0 ? ` ${JSON.stringify(rest)}` : ''
      const label = pino.levels.labels[level] ?? level
      process.stderr.write(`${new Date(time).toISOString().slice(11, 19)} ${label} ${msg ?? ''}${fields}\n`)
    },
  }
}
