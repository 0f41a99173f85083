import { PREFLIGHT } from '@coffer/s3-protocol'
import { factsOf } from './audit/s3-facts.ts'
import type { Exchange } from './exchange.ts'
import type { GatewayContext } from './gateway-context.ts'
import { operations } from './operations/index.ts'
import { refusalOf } from './operations/refusals.ts'
import { emptyReply, type Reply } from './reply.ts'
import { applyCors } from './steps/apply-cors.ts'
import { authenticate } from './steps/authenticate.ts'
import { authorize } from './steps/authorize.ts'
import { findBucket } from './steps/find-bucket.ts'
import { parse } from './steps/parse.ts'
import { tellCharge } from './steps/tell-charge.ts'
import { withholdAbsence } from './steps/withhold-absence.ts'
import { serveWebsite } from './website/serve-website.ts'

/**
 * The way of a request. Each step is a file in `steps/` and returns a richer immutable value, so that the compiler refuses
 * an operation that was handed a request with a skipped check:
 *
 *     Exchange -> UnderstoodRequest -> AuthenticatedRequest -> LocatedRequest -> AuthorizedRequest -> Reply
 */
export async function handle(exchange: Exchange, context: GatewayContext): Promise<Reply> {
  const { trail } = exchange
  const admitted = trail.admit()
  if (admitted !== undefined) await admitted
  context.limits.admitAddress(exchange.request)
  const understood = parse(exchange, context)
  if (context.options.observer !== undefined || exchange.span !== undefined) {
    exchange.operation = { api: 's3', operation: understood.parsed.operation }
  }
  const taken = trail.understood(factsOf(understood.parsed))
  if (taken !== undefined) await taken
  const crossOrigin = await applyCors(understood, context)
  for (const [name, value] of Object.entries(crossOrigin)) exchange.response.setHeader(name, value)
  if (understood.parsed.operation === PREFLIGHT) return emptyReply(200)
  if (understood.isWebsite) return serveWebsite(understood, context)
  const authenticated = await context.limits.watched(exchange.request, authenticate(understood, context))
  try {
    if (authenticated.principal !== 'anonymous') context.limits.admitAccessKey(authenticated.principal.accessKeyId)
    const located = await findBucket(authenticated, context)
    if (located.bucket !== undefined) exchange.span?.set({ 'aws.s3.bucket': located.bucket.record.name })
    if (located.bucket?.config.logging) context.accessLog.follow(located, exchange, () => exchange.errorCode)
    const authorized = await authorize(located, context)
    const operation = operations[authorized.parsed.operation]
    if (operation === undefined) throw refusalOf(authorized.parsed.operation)
    const reply = await operation(authorized, context).catch((error: unknown) => withholdAbsence(authorized, error))
    return tellCharge(authorized, reply)
  } finally {
    // Whoever answers early goes on reading the request where the form's reader has stopped.
    await authenticated.form?.reader.close()
  }
}
