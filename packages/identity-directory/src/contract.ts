import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { IdentityDirectory } from './identity-directory.ts'

/** A directory and the real thing behind it, in which these people are. */
export interface DirectoryUnderTest {
  readonly directory: IdentityDirectory
  /** In one group at least. */
  readonly person: { readonly username: string; readonly password: string; readonly groups: readonly string[] }
  /** Whose name and password are full of what means something to a query or a shell. */
  readonly awkward: { readonly username: string; readonly password: string }
  /** The other side goes away, abruptly. */
  stop(): Promise<void>
  dispose(): Promise<void>
}

/** What means something in LDAP filters and names (RFC 4515, RFC 4514), in SQL, in shells and in patterns. */
const INJECTIONS = [
  '*',
  'al*',
  'alice)(uid=*',
  '*)(|(uid=*',
  'alice)(!(uid=bob))',
  'alice\0',
  'alice\\2a',
  '\\2a',
  'alice,ou=people',
  "' OR ''='",
  '$(id)',
  '%s',
  '%d',
  '$&',
  ' ',
  '\u{1F600}'.repeat(500),
]

/** What an identity directory promises, against the real other side. */
export function identityDirectoryContract(name: string, open: () => Promise<DirectoryUnderTest>): void {
  describe(`${name} keeps the promises of an identity directory`, () => {
    let under: DirectoryUnderTest
    beforeAll(async () => {
      under = await open()
    })
    afterAll(() => under?.dispose())

    it('knows who has a right password, with all groups, and the same person every time', async () => {
      const { username, password, groups } = under.person
      const found = await under.directory.authenticate(username, password)
      expect(found).toMatchObject({ username, id: expect.stringMatching(/.+/) })
      expect([...(found?.groups ?? [])].sort()).toEqual([...groups].sort())
      expect(await under.directory.authenticate(username, password)).toEqual(found)
    })

    it('takes names and passwords as they are', async () => {
      const { username, password } = under.awkward
      expect(await under.directory.authenticate(username, password)).toMatchObject({ username })
    })

    it('knows nobody by a wrong password, by none, or by another name', async () => {
      const { username, password } = under.person
      for (const wrong of [`${password}x`, password.slice(1), password.toUpperCase(), under.awkward.password, '']) {
        expect(await under.directory.authenticate(username, wrong)).toBeUndefined()
      }
      for (const nobody of ['nobody', '', ...INJECTIONS]) {
        expect(await under.directory.authenticate(nobody, password)).toBeUndefined()
        expect(await under.directory.authenticate(nobody, '')).toBeUndefined()
      }
    })

    it('answers many at once, each for itself', async () => {
      const { username, password } = under.person
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, n) => under.directory.authenticate(username, n % 2 ? 'wrong' : password)),
      )
      expect(answers.map((found) => found !== undefined)).toEqual(answers.map((_, n) => n % 2 === 0))
    })

    it('says that it is away, in time, and quotes no password', async () => {
      const { username, password } = under.person
      await under.stop()
      const failure = await under.directory.authenticate(username, password).catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: 'DIRECTORY_UNAVAILABLE' })
      expect(JSON.stringify(failure) + String((failure as Error).cause)).not.toContain(password)
    })
  })
}
