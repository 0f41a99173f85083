import type { Logout } from '@coffer/web-identity'
import { describe, expect, it } from 'vitest'
import { Directory } from '../directory.ts'
import type { OidcProvider } from '../entities.ts'
import { recordIdOf } from '../entities.ts'
import type { Plan } from '../iam-store.ts'
import { handedOn } from './assume-role.ts'
import {
  ENDS_MAX,
  ENDS_OF_ACCOUNT_MAX,
  ENDS_OF_PERSON_MAX,
  ENDS_OF_SOURCE_MAX,
  isEnded,
  isLoggedOut,
  loginOf,
  planEndOfSession,
  planLogout,
} from './logouts.ts'
import { newSessionKey, type Session } from './session.ts'

const accountId = '111122223333'
const HOUR_MS = 3_600_000
const NOW = 1_800_000_000_000

function provider(id = 'login.example.org'): OidcProvider {
  return { kind: 'oidc-provider', accountId, id, clientIds: ['coffer'], thumbprints: [], createdAt: 0, tags: [] }
}

function logout(subject: string, changes: Partial<Logout> = {}): Logout {
  const issuedAtMs = changes.issuedAtMs ?? NOW
  return {
    subject,
    tokenId: `${subject}-${issuedAtMs}`,
    audiences: ['coffer'],
    issuedAtMs,
    expiresAtMs: issuedAtMs + 120_000,
    ...changes,
  }
}

function login(subject: string, at: number, of = provider()) {
  const identity = { issuer: '', subject, audience: 'coffer', claims: {}, expiresAtMs: at + HOUR_MS }
  return loginOf(of, { ...identity, sessionTags: { tags: {}, transitiveTagKeys: [] }, issuedAtMs: at })
}

function session(changes: Partial<Session> = {}): Session {
  const holder = { kind: 'role', roleId: 'AROAEXAMPLE', sessionName: 'one' } as const
  const times = { issuedAt: NOW, expiresAt: NOW + 12 * HOUR_MS }
  return { ...newSessionKey(), accountId, holder, ...times, tags: {}, transitiveTagKeys: [], ...changes }
}

function apply(directory: Directory, { put = [], remove = [] }: Plan<undefined>): void {
  for (const entity of remove) directory.remove(recordIdOf(entity))
  for (const entity of put) directory.put(entity)
}

const tell = (directory: Directory, said: Logout, nowMs = NOW) =>
  apply(directory, planLogout(directory, [provider()], said, nowMs))
const count = (directory: Directory) => directory.list('session-end', accountId).length

describe('log-outs at a provider', () => {
  it('are of that provider and account, and of who logged in before', () => {
    const directory = new Directory()
    tell(directory, logout('alice'))
    expect(isLoggedOut(directory, login('alice', NOW), NOW)).toBe(true)
    expect(isLoggedOut(directory, login('alice', NOW + 1000), NOW)).toBe(false)
    expect(isLoggedOut(directory, login('bob', NOW), NOW)).toBe(false)
    expect(isLoggedOut(directory, login('alice', NOW, provider('other.example')), NOW)).toBe(false)
    expect(isLoggedOut(directory, { ...login('alice', NOW), accountId: '444455556666' }, NOW)).toBe(false)
  })

  it('count the later of two, in whatever order they come', () => {
    const directory = new Directory()
    tell(directory, logout('alice'))
    tell(directory, logout('alice', { issuedAtMs: NOW - 60_000 }))
    expect(isLoggedOut(directory, login('alice', NOW), NOW)).toBe(true)
  })

  it('are kept as long as a session of before may live, and forgotten with what comes next', () => {
    const directory = new Directory()
    tell(directory, logout('alice'))
    expect(isLoggedOut(directory, login('alice', NOW), NOW + 13 * HOUR_MS)).toBe(true)
    const later = NOW + 25 * HOUR_MS
    tell(directory, logout('bob', { issuedAtMs: later }), later)
    // Bob's, and that it was said.
    expect(count(directory)).toBe(2)
  })

  it('are refused when they are said again', () => {
    const directory = new Directory()
    tell(directory, logout('alice'))
    expect(() => tell(directory, logout('alice'), NOW + 60_000)).toThrow(
      expect.objectContaining({ code: 'IAM_INVALID_IDENTITY_TOKEN' }),
    )
  })

  it('that are too many take bounded room, and none is lost: the oldest end everybody who logged in before them', () => {
    const directory = new Directory()
    const people = Array.from({ length: ENDS_MAX + 200 }, (_, index) => `person-${index}`)
    for (const [index, person] of people.entries()) {
      const at = NOW + index * 1000
      const [, end] = planLogout(new Directory(), [provider()], logout(person, { issuedAtMs: at }), at).put ?? []
      // Up to there is room for them; then as they come.
      if (index < ENDS_MAX && end !== undefined) directory.put(end)
      else tell(directory, logout(person, { issuedAtMs: at }), at)
    }
    expect(count(directory)).toBeLessThanOrEqual(ENDS_MAX + 2)
    const end = NOW + people.length * 1000
    const stillIn = people.filter((person, index) => !isLoggedOut(directory, login(person, NOW + index * 1000), end))
    expect(stillIn).toEqual([])
    expect(isLoggedOut(directory, login('who-came-first', NOW), end)).toBe(true)
    expect(isLoggedOut(directory, login('who-came-last', end), end)).toBe(false)
  })
})

describe('log-outs at many providers of one account', () => {
  it('take bounded room together, and none is lost', () => {
    const directory = new Directory()
    const perProvider = ENDS_MAX - 100
    const others = Array.from({ length: ENDS_OF_ACCOUNT_MAX / perProvider + 1 }, (_, index) => provider(`idp-${index}`))
    for (const [number, other] of others.entries()) {
      // Up to there is room for them.
      const room = Math.min(perProvider, ENDS_OF_ACCOUNT_MAX - number * perProvider)
      for (let index = 0; index < room; index++) {
        const at = NOW + number * ENDS_MAX + index
        const said = logout(`person-${index}`, { issuedAtMs: at })
        const [, end] = planLogout(new Directory(), [other], said, at).put ?? []
        if (end !== undefined) directory.put(end)
      }
    }
    expect(count(directory)).toBe(ENDS_OF_ACCOUNT_MAX)
    const later = NOW + HOUR_MS
    for (let index = 0; index < 5; index++) {
      const said = logout(`late-${index}`, { issuedAtMs: later })
      apply(directory, planLogout(directory, [provider('one-more')], said, later))
      expect(count(directory)).toBeLessThanOrEqual(ENDS_OF_ACCOUNT_MAX)
    }
    const [first = provider()] = others
    const latest = perProvider - 1
    for (const index of [0, latest]) {
      expect(isLoggedOut(directory, login(`person-${index}`, NOW + index, first), later)).toBe(true)
    }
    expect(isLoggedOut(directory, login('late-0', later, provider('one-more')), later)).toBe(true)
  })

  it('of one that is there no longer are forgotten with what comes next at another', () => {
    const directory = new Directory()
    apply(directory, planLogout(directory, [provider('gone')], logout('alice'), NOW))
    const later = NOW + 25 * HOUR_MS
    tell(directory, logout('bob', { issuedAtMs: later }), later)
    expect(count(directory)).toBe(2)
  })
})

describe('the end of a session by its holder', () => {
  it('within a chain is of what comes after it, not of what was before', () => {
    const directory = new Directory()
    const first = session()
    const second = session(handedOn(first, NOW))
    const third = session(handedOn(second, NOW))
    const fourth = session({ accountId: '444455556666', ...handedOn(third, NOW) })
    apply(directory, planEndOfSession(directory, third, NOW))
    const ended = [first, second, third, fourth].map((each) => isEnded(directory, each, NOW))
    expect(ended).toEqual([false, false, true, true])
    apply(directory, planEndOfSession(directory, first, NOW))
    expect([second, session(handedOn(second, NOW))].every((each) => isEnded(directory, each, NOW))).toBe(true)
  })

  it('of a user ends a role’s that was taken with it for as long as that may live', () => {
    const directory = new Directory()
    const own = session({ holder: { kind: 'user', userId: 'AIDAEXAMPLE' }, expiresAt: NOW + HOUR_MS / 4 })
    const taken = session(handedOn(own, NOW))
    apply(directory, planEndOfSession(directory, own, NOW))
    expect(isEnded(directory, taken, taken.expiresAt - 1)).toBe(true)
  })

  it('is of that session, and of those that were taken with it, in whatever account', () => {
    const directory = new Directory()
    const own = session()
    const origin = { accountId, accessKeyId: own.accessKeyId }
    const taken = session({ accountId: '444455556666', origin })
    apply(directory, planEndOfSession(directory, own, NOW))
    expect([own, taken, session()].map((each) => isEnded(directory, each, NOW))).toEqual([true, true, false])
    // Of a session that ends now, one of an hour may just have been taken.
    const ending = session({ expiresAt: NOW + 1000 })
    apply(directory, planEndOfSession(directory, ending, NOW))
    const last = session({ origin: { accountId, accessKeyId: ending.accessKeyId } })
    expect(isEnded(directory, last, NOW + HOUR_MS - 1)).toBe(true)
  })

  const end = (index: number, taker: object = {}) =>
    ({ kind: 'session-end', accountId, id: `own/ASIA${index}`, at: NOW, until: NOW + HOUR_MS, ...taker }) as const
  const ended = (directory: Directory, of: Session, nowMs = NOW) => {
    apply(directory, planEndOfSession(directory, of, nowMs))
    return isEnded(directory, of, nowMs)
  }
  const full = expect.objectContaining({ code: 'IAM_LIMIT_EXCEEDED' })

  it('is refused to who has ended too many, and to nobody else of the role, account or provider', () => {
    const directory = new Directory()
    const mallory = session({ login: login('mallory', NOW) })
    for (let index = 0; index < ENDS_OF_PERSON_MAX; index++) {
      expect(ended(directory, session({ login: login('mallory', NOW + index) }))).toBe(true)
    }
    expect(() => planEndOfSession(directory, mallory, NOW)).toThrow(full)
    // Nor by another role, taken with the first.
    const other = { kind: 'role', roleId: 'AROAOTHER', sessionName: 'alice' } as const
    expect(() => planEndOfSession(directory, session({ holder: other, ...handedOn(mallory, NOW) }), NOW)).toThrow(full)
    expect(ended(directory, session({ login: login('alice', NOW) }))).toBe(true)
    expect(ended(directory, session({ login: login('mallory', NOW, provider('other.example')) }))).toBe(true)
    expect(ended(directory, session({ holder: { kind: 'user', userId: 'AIDAALICE' } }))).toBe(true)
    expect(ended(directory, mallory, NOW + 13 * HOUR_MS)).toBe(true)
  })

  it('is refused to who takes roles under many names by one access key, as the user and by sessions of it', () => {
    const directory = new Directory()
    const takenBy = { person: 'AIDAMALLORY', source: accountId }
    for (let index = 0; index < ENDS_OF_PERSON_MAX; index++) {
      const holder = { kind: 'role', roleId: `AROA${index % 7}`, sessionName: `name-${index}` } as const
      expect(ended(directory, session({ holder, takenBy }))).toBe(true)
    }
    const own = session({ holder: { kind: 'user', userId: 'AIDAMALLORY' } })
    const named = session({ holder: { kind: 'federated-user', name: 'alice', userId: 'AIDAMALLORY' } })
    for (const more of [session({ takenBy }), own, session(handedOn(own, NOW)), named]) {
      expect(() => planEndOfSession(directory, more, NOW)).toThrow(full)
    }
    expect(ended(directory, session({ takenBy: { ...takenBy, person: 'AIDAALICE' } }))).toBe(true)
  })

  it('is refused to no other account, user or provider where all people of one source have ended too many', () => {
    const directory = new Directory()
    const source = '444455556666'
    for (let index = 0; index < ENDS_OF_SOURCE_MAX; index++) {
      directory.put(end(index, { person: `AIDA${index}`, source }))
    }
    expect(() => planEndOfSession(directory, session({ takenBy: { person: 'AIDANEW', source } }), NOW)).toThrow(full)
    expect(ended(directory, session({ holder: { kind: 'user', userId: 'AIDAALICE' } }))).toBe(true)
    expect(ended(directory, session({ login: login('alice', NOW) }))).toBe(true)
  })

  it('is refused where too many have been ended in all, so that nobody fills the memory, until they are over', () => {
    const directory = new Directory()
    for (let index = 0; index < ENDS_MAX; index++) directory.put(end(index))
    expect(() => planEndOfSession(directory, session(), NOW)).toThrow(full)
    const later = NOW + 2 * HOUR_MS
    apply(directory, planEndOfSession(directory, session(), later))
    expect(count(directory)).toBeLessThan(ENDS_MAX)
  })
})
