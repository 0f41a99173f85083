import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { FilterParser, InvalidCredentialsError, InvalidDNSyntaxError, NoSuchObjectError, ResultCodeError } from 'ldapts'
import { directoryError } from '../errors.ts'
import type { IdentityDirectory, IdentityDirectoryPlugin, Person } from '../identity-directory.ts'
import { fillFilter } from './fill-filter.ts'
import { LdapConnection } from './ldap-connection.ts'
import { LdapOptions } from './ldap-options.ts'
import { readBindPassword } from './ldap-password.ts'
import { normalName } from './normal-name.ts'

/** What one process asks of the directory at once: each login is a connection of its own. */
const LOGINS_AT_ONCE_MAX = 64
const USERNAME_CHARACTERS_MAX = 256
const PASSWORD_CHARACTERS_MAX = 1_024
const GROUPS_MAX = 1_000
/** No attributes, only names (RFC 4511, section 4.5.1.8). */
const NO_ATTRIBUTES = ['1.1']

/**
 * People of an LDAP server or of Active Directory: found by an account that may look people up, then their own password is tried. Source:
 * RFC 4511, RFC 4513.
 */
export const ldapDirectory: IdentityDirectoryPlugin<LdapOptions> = {
  options: LdapOptions,
  normalName,
  async open(options) {
    assertFilter('userFilter', options.userFilter)
    assertFilter('groupFilter', options.groupFilter)
    const ca = options.caFile === undefined ? undefined : await readCa(options.caFile)
    return new LdapDirectory(options, ca)
  },
}

class LdapDirectory implements IdentityDirectory {
  readonly #options: LdapOptions
  readonly #ca: string | undefined
  #loginCount = 0

  constructor(options: LdapOptions, ca: string | undefined) {
    this.#options = options
    this.#ca = ca
  }

  async authenticate(username: string, password: string): Promise<Person | undefined> {
    // A bind without a password succeeds for every name: it is anonymous (RFC 4513, section 5.1.2).
    if (password === '' || password.length > PASSWORD_CHARACTERS_MAX) return undefined
    if (username === '' || username.length > USERNAME_CHARACTERS_MAX) return undefined
    if (this.#loginCount >= LOGINS_AT_ONCE_MAX)
      throw directoryError('DIRECTORY_UNAVAILABLE', { reason: 'too many logins' })
    this.#loginCount += 1
    const connection = new LdapConnection(this.#options, this.#ca)
    try {
      return await connection.withinTime(() => this.#authenticate(connection, username, password))
    } catch (error) {
      throw unavailable(error)
    } finally {
      connection.close()
      this.#loginCount -= 1
    }
  }

  async #authenticate(connection: LdapConnection, username: string, password: string): Promise<Person | undefined> {
    const { bindDn, userBase, userFilter, usernameAttribute } = this.#options
    await connection.open()
    await connection.client.bind(bindDn, await readBindPassword(this.#options))
    const { searchEntries: found } = await connection.client.search(userBase, {
      scope: 'sub',
      filter: fillFilter(userFilter, { s: username }),
      attributes: [usernameAttribute],
      sizeLimit: 2,
    })
    const [entry, ...others] = found
    if (entry === undefined || others.length > 0) {
      // As long as for somebody who is there.
      await this.#isPassword(connection, `cn=${randomUUID()},${userBase}`, password)
      return undefined
    }
    const groups = await this.#groupsOf(connection, entry.dn, username)
    if (!(await this.#isPassword(connection, entry.dn, password))) return undefined
    return { username: nameIn(entry[usernameAttribute]), id: normalName(entry.dn), groups }
  }

  async #groupsOf(connection: LdapConnection, dn: string, username: string): Promise<readonly string[]> {
    const { groupBase, groupFilter } = this.#options
    if (groupBase === undefined) return []
    const { searchEntries } = await connection.client.search(groupBase, {
      scope: 'sub',
      filter: fillFilter(groupFilter, { d: dn, s: username }),
      attributes: NO_ATTRIBUTES,
      sizeLimit: GROUPS_MAX,
    })
    return searchEntries.map((group) => normalName(group.dn))
  }

  async #isPassword({ client }: LdapConnection, dn: string, password: string): Promise<boolean> {
    try {
      await client.bind(dn, password)
      return true
    } catch (error) {
      if (error instanceof InvalidCredentialsError) return false
      if (error instanceof NoSuchObjectError || error instanceof InvalidDNSyntaxError) return false
      throw error
    }
  }
}

/** DIRECTORY_OPTIONS_INVALID where the entry has no such attribute: who it is could be written in many ways. */
function nameIn(value: unknown): string {
  const [name] = Array.isArray(value) ? value : [value]
  if (typeof name === 'string' && name !== '') return name
  throw directoryError('DIRECTORY_OPTIONS_INVALID', { option: 'usernameAttribute' })
}

function assertFilter(option: string, template: string): void {
  try {
    FilterParser.parseString(fillFilter(template, { s: 'x', d: 'cn=x' }))
  } catch {
    throw directoryError('DIRECTORY_OPTIONS_INVALID', { option })
  }
}

async function readCa(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => {
    throw directoryError('DIRECTORY_OPTIONS_INVALID', { option: 'caFile', path })
  })
}

/** What is told is the kind of failure: causes of a directory can quote names and what was asked. */
function unavailable(error: unknown): Error {
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('DIRECTORY_')) return error
  const reason = error instanceof ResultCodeError ? `${error.name} (${error.code})` : codeOf(error)
  return directoryError('DIRECTORY_UNAVAILABLE', { reason })
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error ? String(error.code) : error.name
}
