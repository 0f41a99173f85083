import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { IssuedFiles } from '../kms/certificate-authority.ts'
import { freePort } from './free-port.ts'
import { type ProcessGroup, startGroup } from './process-group.ts'

const SUFFIX = 'dc=example,dc=org'
export const PEOPLE = `ou=people,${SUFFIX}`
export const GROUPS = `ou=groups,${SUFFIX}`
/** Who may look people up. */
export const READER = { dn: `cn=reader,${SUFFIX}`, password: 'reads names and groups' }
const SCHEMAS = ['core', 'cosine', 'inetorgperson']
const START_TIMEOUT_MS = 60_000

export interface DirectoryPerson {
  readonly uid: string
  readonly password: string
  /** Names of groups. */
  readonly groups?: readonly string[]
}

export interface Slapd {
  /** `ldap://localhost:...`, where StartTLS is offered. */
  readonly url: string
  readonly secureUrl: string
  stop(): Promise<void>
  start(): Promise<void>
  dispose(): Promise<void>
}

/**
 * OpenLDAP's server (Debian's `slapd`) as an ordinary process on loopback, with these people. It takes binds without a password, as many
 * directories do: whoever asks it has to know better.
 */
export async function startSlapd(
  program: string,
  people: readonly DirectoryPerson[],
  { certFile, keyFile }: IssuedFiles,
): Promise<Slapd> {
  const directory = mkdtempSync(join(tmpdir(), 'coffer-slapd-'))
  const configuration = join(directory, 'slapd.conf')
  mkdirSync(join(directory, 'data'))
  writeFileSync(
    configuration,
    [
      ...SCHEMAS.map((name) => `include /etc/ldap/schema/${name}.schema`),
      'modulepath /usr/lib/ldap',
      'moduleload back_mdb',
      'allow bind_anon_cred bind_anon_dn',
      `TLSCertificateFile ${certFile}`,
      `TLSCertificateKeyFile ${keyFile}`,
      'database mdb',
      `suffix "${SUFFIX}"`,
      `directory ${join(directory, 'data')}`,
      'access to attrs=userPassword by anonymous auth by * none',
      `access to * by dn.exact="${READER.dn}" read by * none`,
      '',
    ].join('\n'),
  )
  const entries = join(directory, 'entries.ldif')
  writeFileSync(entries, ldifOf(people))
  execFileSync(join(dirname(program), 'slapadd'), ['-f', configuration, '-l', entries], { stdio: 'pipe' })
  const [port, securePort] = [await freePort(), await freePort()]
  const listeners = `ldap://127.0.0.1:${port}/ ldaps://127.0.0.1:${securePort}/`
  let group: ProcessGroup | undefined
  const start = async () => {
    group = startGroup(program, ['-d', '0', '-f', configuration, '-h', listeners], { env: process.env, cwd: directory })
    await waitForPort(port, group)
  }
  await start()
  return {
    url: `ldap://localhost:${port}`,
    secureUrl: `ldaps://localhost:${securePort}`,
    stop: async () => await group?.kill('SIGKILL'),
    start,
    async dispose() {
      await group?.kill('SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function ldifOf(people: readonly DirectoryPerson[]): string {
  const names = [...new Set(people.flatMap(({ groups = [] }) => groups))]
  return [
    [`dn: ${SUFFIX}`, 'objectClass: dcObject', 'objectClass: organization', 'o: Example', 'dc: example'],
    [`dn: ${PEOPLE}`, 'objectClass: organizationalUnit', 'ou: people'],
    [`dn: ${GROUPS}`, 'objectClass: organizationalUnit', 'ou: groups'],
    [
      `dn: ${READER.dn}`,
      'objectClass: organizationalRole',
      'objectClass: simpleSecurityObject',
      'cn: reader',
      `userPassword: ${READER.password}`,
    ],
    ...people.map(({ uid, password }) => [
      `dn:: ${base64(dnOf(uid))}`,
      'objectClass: inetOrgPerson',
      `uid:: ${base64(uid)}`,
      `cn:: ${base64(uid)}`,
      'sn: x',
      `userPassword:: ${base64(password)}`,
    ]),
    ...names.map((name) => [
      `dn: cn=${name},${GROUPS}`,
      'objectClass: groupOfNames',
      `cn: ${name}`,
      ...people.filter(({ groups = [] }) => groups.includes(name)).map(({ uid }) => `member:: ${base64(dnOf(uid))}`),
    ]),
  ]
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

/** RFC 4514, section 2.4. */
export function dnOf(uid: string): string {
  return `uid=${uid.replaceAll(/[,+"\\<>;=#]/g, (c) => `\\${c}`)},${PEOPLE}`
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

async function waitForPort(port: number, group: ProcessGroup): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS
  while (!(await answers(port))) {
    if (group.exited() || Date.now() > deadline) throw new Error(`slapd does not answer:\n${group.logs()}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
