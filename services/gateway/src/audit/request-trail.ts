import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AuditDecision, AuditKmsKey, AuditPrincipal, AuditSource, RequestFacts } from '@coffer/audit'
import type { Principal } from '@coffer/contracts'
import type { GatewayAudit } from '../gateway-options.ts'
import type { KmsKeys } from './kms-keys.ts'
import { sourceOf } from './source.ts'
import type { DecidedFacts, NamedFacts, Trail, UnderstoodFacts } from './trail.ts'

type Item = Parameters<Trail['item']>[0]

const NO_KEYS: readonly string[] = []

/** Gathers what a request's record tells; the record is made when the response is closed, sent or not. */
export class RequestTrail implements Trail {
  readonly #audit: GatewayAudit
  readonly #kmsKeys: KmsKeys
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #requestId: string
  readonly #receivedAtMs: number
  readonly #startedAt = performance.now()
  readonly #bytesWrittenBefore: number
  /** Asked for while the connection is there. */
  #source: AuditSource | undefined
  #facts: UnderstoodFacts | undefined
  #named: NamedFacts = {}
  #principal: Principal | undefined
  #isVerified = false
  #decision: AuditDecision | undefined
  #keyRefs = NO_KEYS
  #items: Item[] | undefined
  #error: string | undefined

  constructor(
    audit: GatewayAudit,
    kmsKeys: KmsKeys,
    { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
    { requestId, receivedAtMs }: { readonly requestId: string; readonly receivedAtMs: number },
  ) {
    this.#audit = audit
    this.#kmsKeys = kmsKeys
    this.#request = request
    this.#response = response
    this.#requestId = requestId
    this.#receivedAtMs = receivedAtMs
    this.#bytesWrittenBefore = audit.mode === 'all' ? request.socket.bytesWritten : 0
    if (audit.mode === 'all') this.#begin()
  }

  admit(): Promise<void> | undefined {
    return this.#audit.mode === 'all' ? this.#audit.log.admit() : undefined
  }

  understood(facts: UnderstoodFacts): Promise<void> | undefined {
    this.#facts = facts
    if (this.#audit.mode === 'all' || !facts.isChange) return undefined
    this.#begin()
    return this.#audit.log.admit()
  }

  names(facts: NamedFacts): void {
    this.#named = { ...this.#named, ...facts }
  }

  claimedBy(principal: Principal): void {
    this.#principal = principal
  }

  verified(): void {
    this.#isVerified = true
  }

  decided(action: string, { effect, reason, statement }: DecidedFacts): void {
    if (this.#decision !== undefined && (effect === 'allow' || this.#decision.effect === 'deny')) return
    this.#decision = { action, effect, reason, ...(statement !== undefined && { statement }) }
  }

  usedKey({ keyRef }: { readonly keyRef: string }): void {
    if (keyRef !== '' && !this.#keyRefs.includes(keyRef)) this.#keyRefs = [...this.#keyRefs, keyRef]
  }

  item(facts: Item): void {
    this.#items ??= []
    this.#items.push(facts)
  }

  failed(code: string): void {
    this.#error = code
  }

  #begin(): void {
    this.#source = sourceOf(this.#request)
    this.#response.once('close', () => this.#end())
  }

  #end(): void {
    // Who is nobody changes nothing: a flood of such requests must not fill the disk of those who asked for changes only.
    if (this.#audit.mode === 'changes' && !this.#isVerified) return
    const keys = this.#keyRefs.map((keyRef) => this.#kmsKeys.describe(keyRef))
    const known = keys.filter((key): key is AuditKmsKey => !(key instanceof Promise))
    if (known.length === keys.length) this.#write(known)
    else void Promise.all(keys).then((all) => this.#write(all))
  }

  #write(kmsKeys: readonly AuditKmsKey[]): void {
    const facts = this.#describe(kmsKeys)
    this.#audit.log.record(facts)
    for (const { key, versionId, error } of this.#items ?? []) {
      this.#audit.log.record({ ...facts, key, versionId, error, bytesIn: undefined, bytesOut: undefined })
    }
  }

  #describe(kmsKeys: readonly AuditKmsKey[]): RequestFacts {
    const response = this.#response
    const facts = this.#facts
    const isSent = response.writableFinished
    return {
      time: new Date(this.#receivedAtMs).toISOString(),
      requestId: this.#requestId,
      service: facts?.service ?? 's3',
      operation: facts?.operation,
      principal: this.#principal && describePrincipal(this.#principal, this.#isVerified),
      source: this.#source ?? sourceOf(this.#request),
      bucket: facts?.bucket || undefined,
      key: this.#named.key ?? (facts?.key || undefined),
      versionId: facts?.versionId ?? headerOf(response, 'x-amz-version-id'),
      resource: this.#named.resource,
      decision: this.#decision,
      kmsKeys: kmsKeys.length === 0 ? undefined : kmsKeys,
      status: response.statusCode,
      error: this.#error,
      bytesIn: this.#request.complete ? numberOf(this.#request.headers['content-length']) : undefined,
      bytesOut: isSent ? this.#sentBytes() : this.#request.socket.bytesWritten - this.#bytesWrittenBefore,
      latencyMs: Math.round((performance.now() - this.#startedAt) * 1000) / 1000,
      cut: isSent ? undefined : true,
    }
  }

  #sentBytes(): number | undefined {
    return this.#request.method === 'HEAD' ? 0 : numberOf(headerOf(this.#response, 'content-length'))
  }
}

function describePrincipal(principal: Principal, verified: boolean): AuditPrincipal {
  const { kind, arn, accountId, accessKeyId } = principal
  return { kind, arn, accountId, accessKeyId, verified }
}

function headerOf(response: ServerResponse, name: string): string | undefined {
  const value = response.getHeader(name)
  return value === undefined ? undefined : String(value)
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text)
}
