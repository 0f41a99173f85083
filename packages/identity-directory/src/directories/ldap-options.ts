import { z } from 'zod'

const TEXT_CHARACTERS_MAX = 2_000
const text = z.string().min(1).max(TEXT_CHARACTERS_MAX)
const path = z.string().min(1)

const url = z.url({ protocol: /^ldaps?$/ }).refine((address) => {
  const { hostname, username, password, pathname, search, hash } = new URL(address)
  return hostname !== '' && `${username}${password}${search}${hash}` === '' && /^\/?$/.test(pathname)
}, 'ldaps://host:port or ldap://host:port, nothing after it')

export const LdapOptions = z
  .strictObject({
    url,
    /** Of `ldap://`: TLS is begun on the open connection (RFC 4511, section 4.14). */
    startTls: z.boolean().default(true),
    /** Passwords over the network as they are. */
    allowPlaintext: z.boolean().default(false),
    /** Authorities that the server's certificate is checked against; absent: the system's, and `certs/CAs`. */
    caFile: path.optional(),
    /** Who looks people up: an account that may read names and groups, no more. */
    bindDn: text,
    bindPasswordFile: path.optional(),
    /** A program that prints the password. Run without a shell. */
    bindPasswordCommand: z.array(z.string()).min(1).max(100).optional(),
    userBase: text,
    /** `%s`: the user name. Of Active Directory `(sAMAccountName=%s)`. */
    userFilter: text.default('(uid=%s)'),
    usernameAttribute: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, 'the name of an attribute')
      .default('uid'),
    /** Absent: nobody has groups. */
    groupBase: text.optional(),
    /** `%d`: the person's distinguished name, `%s`: the user name. Nested groups of Active Directory:
     * `(member:1.2.840.113556.1.4.1941:=%d)`. */
    groupFilter: text.default('(&(objectClass=groupOfNames)(member=%d))'),
    /** For all that one login asks. On a mesh whoever waits for it does not wait longer than ten seconds. */
    timeoutSeconds: z.number().int().min(1).max(9).default(5),
  })
  .refine(
    ({ url: address, startTls, allowPlaintext }) => address.startsWith('ldaps:') || startTls || allowPlaintext,
    'passwords would cross the network as they are: ldaps://, startTls, or allowPlaintext',
  )
  .refine(
    ({ bindPasswordFile, bindPasswordCommand }) =>
      (bindPasswordFile === undefined) !== (bindPasswordCommand === undefined),
    'one of bindPasswordFile and bindPasswordCommand',
  )
  .refine(({ userFilter }) => userFilter.includes('%s'), 'userFilter has no %s: everybody would be the same')

export type LdapOptions = z.infer<typeof LdapOptions>
