/** Where traces go, and which; plain data, as processes tell each other. */
export interface TraceSettings {
  /** OTLP over HTTP with Protocol Buffers, its path included: `https://collector:4318/v1/traces`. */
  readonly endpoint: string
  /** Of requests and other work that begins here: how many are kept, 0 to 1. */
  readonly sampleRatio: number
  /**
   * What a `traceparent` of a client counts for. `continue`: the trace goes on here, and is kept if the client keeps it. `link`: a
   * trace of its own begins, which only points to it, and the ratio alone decides.
   */
  readonly clientContext: 'link' | 'continue'
  /** Certificates, PEM, that the collector's is checked against; else the system's. */
  readonly caFile: string | undefined
  /** `name: value` a line: what the collector asks for. Read again when it changes. */
  readonly headersFile: string | undefined
}

/** Of whom the spans tell: `coffer`, `coffer-gateway`... */
export interface TracedService {
  readonly name: string
  readonly version: string
  readonly instanceId: string
}
