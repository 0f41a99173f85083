import { hash } from 'node:crypto'
import type { Logout, WebIdentity } from '@coffer/web-identity'
import type { Directory } from '../directory.ts'
import type { OidcProvider, SessionEnd } from '../entities.ts'
import { refusal } from '../errors.ts'
import type { Plan } from '../iam-store.ts'
import type { Session } from './session.ts'

/*
 * Sessions are not stored, so what ends one before its time is: for as long as a session, or an identity token that could be changed for one, may
 * still be about. It spreads to all processes as every change of identities does.
 */

/** Of whom a session is, as the log-outs of its provider name them. Hashes: nobody needs the names. */
export interface ProviderLogin {
  /** That registered the provider. */
  readonly accountId: string
  readonly provider: string
  readonly subject: string
  /** Of the provider's own session, where the identity token named it. */
  readonly providerSession?: string
  /** When the provider issued the identity token: before or after a log-out, by one clock. */
  readonly at: number
}

/** A session that others were taken with. */
export interface SessionOrigin {
  readonly accountId: string
  readonly accessKeyId: string
}

/** Who took a session, or the first of its chain; by hashes and unique ids, as nobody needs the names. */
export interface SessionTaker {
  readonly person: string
  /** What knows the person: an account, or who proves people to this server. */
  readonly source: string
}

/** Twice as long as a role's longest session (12 hours), for identity tokens that live long themselves. */
const KEPT_MS = 24 * 3_600_000
/** A role that is taken with a session of a role lives at most so long (role chaining). */
const CHAINED_MS_MAX = 3_600_000
/** One that is taken with a user's session: as long as any role's. */
const TAKEN_MS_MAX = 12 * 3_600_000
/** What is taken in the moment before every process has heard of the end. */
const HEARD_WITHIN_MS = 60_000
/** Of each provider of an account, and of sessions that an account's own holders have ended. */
export const ENDS_MAX = 10_000
/** Of the latter, one who takes sessions to end them. Those of people who proved themselves elsewhere, or are of another account, are theirs. */
export const ENDS_OF_PERSON_MAX = 250
/** Nor do all people of one source leave no room for others. */
export const ENDS_OF_SOURCE_MAX = ENDS_MAX / 2
/** Of an account, whatever number of providers it registers, or has registered one after the other. */
export const ENDS_OF_ACCOUNT_MAX = 5 * ENDS_MAX
/** How many the oldest become one, or ended ones are forgotten, with one change. */
const CLEARED_AT_ONCE = 200
/** The verifier takes tokens that ended so long ago. */
const CLOCK_TOLERANCE_MS = 60_000
const HASH_CHARACTERS = 22

export function loginOf(provider: OidcProvider, { subject, providerSession, issuedAtMs }: WebIdentity): ProviderLogin {
  return {
    accountId: provider.accountId,
    provider: hashOf(provider.id),
    subject: hashOf(provider.id, 'subject', subject),
    ...(providerSession !== undefined && { providerSession: hashOf(provider.id, 'session', providerSession) }),
    at: issuedAtMs,
  }
}

/** Whether who logged in then has logged out since. */
export function isLoggedOut(directory: Directory, login: ProviderLogin, nowMs: number): boolean {
  const { accountId, provider, subject, providerSession, at } = login
  const endOf = (name: string) => {
    const end = directory.find('session-end', accountId, `${provider}/${name}`)
    return end !== undefined && end.until > nowMs ? end : undefined
  }
  const isBefore = (name: string) => at <= (endOf(name)?.at ?? Number.NEGATIVE_INFINITY)
  if (isBefore('all') || isBefore(`subject/${subject}`)) return true
  // A session of the provider's that is over never comes back, however new a token of it is.
  if (providerSession !== undefined) return endOf(`session/${providerSession}`) !== undefined
  return isBefore(`unnamed/${subject}`)
}

/** Whether it was ended before its time. */
export function isEnded(directory: Directory, session: Session, nowMs: number): boolean {
  const { login, origin, between = [] } = session
  const isOver = ({ accountId, accessKeyId }: SessionOrigin) =>
    (directory.find('session-end', accountId, ownEnd(accessKeyId))?.until ?? 0) > nowMs
  return (
    isOver(session) ||
    (origin !== undefined && isOver(origin)) ||
    between.some(isOver) ||
    (login !== undefined && isLoggedOut(directory, login, nowMs))
  )
}

export function takerOf({ accountId, holder, login, takenBy }: Session): SessionTaker {
  if (takenBy !== undefined) return takenBy
  if (login !== undefined) return { person: login.subject, source: login.provider }
  switch (holder.kind) {
    case 'user':
      return { person: holder.userId, source: accountId }
    case 'root':
      return { person: accountId, source: accountId }
    case 'federated-user':
      // All whom one user has given a name: they are as many as that user likes.
      return { person: holder.userId ?? accountId, source: accountId }
    case 'role':
      // Of before takers were told: there are some for half a day.
      return { person: holder.roleId, source: holder.roleId }
  }
}

/** Who has proven to be known to an authority or directory of the operator's. */
export function provenTaker(provider: string, ...names: readonly string[]): SessionTaker {
  return { person: hashOf(provider, ...names), source: hashOf(provider) }
}

/** Ends a session for its holder, and what was taken with it. IAM_LIMIT_EXCEEDED where who took it has ended too many: others still can. */
export function planEndOfSession(directory: Directory, session: Session, nowMs: number): Plan<undefined> {
  const { accountId, accessKeyId, expiresAt, holder } = session
  const { live, over } = endsOf(directory, accountId, nowMs)
  const { person, source } = takerOf(session)
  assertRoomToEnd(live.filter(isOf(OWN)), { person, source })
  const takenMsMax = holder.kind === 'role' ? CHAINED_MS_MAX : TAKEN_MS_MAX
  const until = Math.max(expiresAt, nowMs + takenMsMax + HEARD_WITHIN_MS)
  return {
    put: [{ ...endNamed(accountId, ownEnd(accessKeyId)), at: nowMs, until, person, source }],
    remove: over,
    result: undefined,
  }
}

function assertRoomToEnd(ended: readonly SessionEnd[], { person, source }: SessionTaker): void {
  const refuseAt = (name: string, most: number, count: number) => {
    if (count >= most) throw refusal('IAM_LIMIT_EXCEEDED', `Cannot exceed quota for ${name}: ${most}`)
  }
  const ofSource = ended.filter((end) => end.source === source)
  refuseAt('EndedSessionsPerPerson', ENDS_OF_PERSON_MAX, ofSource.filter((end) => end.person === person).length)
  refuseAt('EndedSessionsPerSource', ENDS_OF_SOURCE_MAX, ofSource.length)
  refuseAt('EndedSessions', ENDS_MAX, ended.length)
}

/**
 * Ends what somebody's log-out at a provider ends: all sessions of the subject, or of one session of the provider's; with both names also those
 * of the subject whose token named no session. IAM_INVALID_IDENTITY_TOKEN for a statement that was made before. Where there are too
 * many, the oldest become one: whoever logged in before them has to log in again.
 */
export function planLogout(
  directory: Directory,
  providers: readonly OidcProvider[],
  logout: Logout,
  nowMs: number,
): Plan<undefined> {
  const plans = providers.map((provider) => planFor(directory, provider, logout, nowMs))
  return {
    put: plans.flatMap(({ put }) => put),
    remove: plans.flatMap(({ remove }) => remove),
    result: undefined,
  }
}

function planFor(directory: Directory, { accountId, id }: OidcProvider, logout: Logout, nowMs: number) {
  const { subject, providerSession, tokenId, issuedAtMs: at, expiresAtMs } = logout
  const provider = hashOf(id)
  const named = (name: string) => endNamed(accountId, `${provider}/${name}`)
  const statement = named(`statement/${hashOf(id, 'statement', tokenId)}`)
  if (directory.find('session-end', accountId, statement.id) !== undefined) {
    throw refusal('IAM_INVALID_IDENTITY_TOKEN', 'The logout token was used before.')
  }
  const ofSubject = subject === undefined ? '' : hashOf(id, 'subject', subject)
  const names = [
    ...(providerSession === undefined ? [] : [`session/${hashOf(id, 'session', providerSession)}`]),
    ...(subject === undefined ? [] : [`${providerSession === undefined ? 'subject' : 'unnamed'}/${ofSubject}`]),
  ]
  const until = nowMs + KEPT_MS
  const ends = names.map((name) => {
    const end = named(name)
    // Statements may come in another order than they were made in.
    return { ...end, at: Math.max(at, directory.find('session-end', accountId, end.id)?.at ?? 0), until }
  })
  const put = [{ ...statement, at, until: expiresAtMs + CLOCK_TOLERANCE_MS }, ...ends]
  const { live, over } = endsOf(directory, accountId, nowMs)
  const ofProvider = live.filter(isOf(provider))
  const tooMany =
    ofProvider.length + put.length > ENDS_MAX
      ? ofProvider
      : live.length + put.length > ENDS_OF_ACCOUNT_MAX
        ? live.filter((end) => !isOf(OWN)(end))
        : []
  const isKept = new Set(put.map((end) => end.id))
  const oldest = tooMany
    .filter((end) => !isKept.has(end.id) && !end.id.endsWith(EVERYBODY))
    .sort((one, other) => one.until - other.until)
    .slice(0, CLEARED_AT_ONCE)
  return { put: [...put, ...joinedOf(directory, accountId, oldest, until)], remove: [...over, ...oldest] }
}

/** One end for everybody of each provider, in place of several. That a statement was made is no log-out: to hear it twice changes nothing. */
function joinedOf(directory: Directory, accountId: string, ends: readonly SessionEnd[], until: number): SessionEnd[] {
  const latest = new Map<string, number>()
  for (const { id, at } of ends) {
    const [provider = '', kind] = id.split('/')
    if (kind !== 'statement') latest.set(provider, Math.max(latest.get(provider) ?? 0, at))
  }
  return [...latest].map(([provider, at]) => {
    const named = endNamed(accountId, provider + EVERYBODY)
    return { ...named, at: Math.max(directory.find('session-end', accountId, named.id)?.at ?? 0, at), until }
  })
}

const OWN = 'own'
const EVERYBODY = '/all'

function ownEnd(accessKeyId: string): string {
  return `${OWN}/${accessKeyId}`
}

function endNamed(accountId: string, id: string): Pick<SessionEnd, 'kind' | 'accountId' | 'id'> {
  return { kind: 'session-end', accountId, id }
}

function isOf(owner: string): (end: SessionEnd) => boolean {
  return ({ id }) => id.startsWith(`${owner}/`)
}

function endsOf(directory: Directory, accountId: string, nowMs: number) {
  const ends = directory.list('session-end', accountId)
  return {
    live: ends.filter(({ until }) => until > nowMs),
    over: ends.filter(({ until }) => until <= nowMs).slice(0, CLEARED_AT_ONCE),
  }
}

function hashOf(...parts: readonly string[]): string {
  return hash('sha256', JSON.stringify(parts), 'base64url').slice(0, HASH_CHARACTERS)
}
