import type { z } from 'zod'

/** Somebody whose password was right. */
export interface Person {
  /** As the directory writes it, however the person did. */
  readonly username: string
  /** What the directory knows the person by: of LDAP the distinguished name, in the form of `groups`. */
  readonly id: string
  /** Of LDAP distinguished names, in lower case and without spaces that mean nothing. */
  readonly groups: readonly string[]
}

/** Where the users of a company are kept with their passwords and groups. A plugin is one file, loaded when a configuration names it. */
export interface IdentityDirectory {
  /**
   * Undefined: there is no such person, or several, or the password is another. Which it is, is told neither by the answer nor by how long
   * it takes. DIRECTORY_UNAVAILABLE where the directory can't be asked; settles within the directory's time limit. The password
   * rests nowhere and is told to nobody but the directory itself; '' is nobody's.
   */
  authenticate(username: string, password: string): Promise<Person | undefined>
}

export interface IdentityDirectoryPlugin<Options = unknown> {
  readonly options: z.ZodType<Options>
  /** The form in which ids and groups are told, of one that an operator has written. Absent: as it is. */
  readonly normalName?: (name: string) => string
  /** Does not wait for the other side: a directory that is away at the start is one that is away later. DIRECTORY_OPTIONS_INVALID. */
  open(options: Options): Promise<IdentityDirectory>
}
