import {
  createCipheriv,
  createHash,
  createHmac,
  diffieHellman,
  generateKeyPairSync,
  getFips,
  hkdfSync,
  sign,
  verify,
} from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { cofferError } from './errors.ts'

const WHAT_TO_DO =
  'start node with --enable-fips, and with OPENSSL_CONF and OPENSSL_MODULES naming a configuration and a folder that have the provider fips.so; docs/fips.md has the commands'

interface Probe {
  readonly name: string
  readonly run: () => unknown
}

/** What no FIPS provider does. One that is done is not done by such a provider. */
const REFUSED: readonly Probe[] = [
  { name: 'MD5', run: () => createHash('md5').update('').digest() },
  {
    name: 'ChaCha20-Poly1305',
    run: () => createCipheriv('chacha20-poly1305', Buffer.alloc(32), Buffer.alloc(12), { authTagLength: 16 }),
  },
  { name: 'TLS with ChaCha20', run: () => createSecureContext({ ciphers: 'ECDHE-RSA-CHACHA20-POLY1305' }) },
]

/** What everything here rests on, with known answers where there is one. */
const NEEDED: readonly Probe[] = [
  { name: 'AES-256-GCM', run: aesKnownAnswer },
  { name: 'HMAC with SHA-256', run: hmacKnownAnswer },
  { name: 'HKDF with SHA-256', run: () => hkdfSync('sha256', Buffer.alloc(32), Buffer.alloc(32), 'self-test', 32) },
  { name: 'ECDH and ECDSA on P-256', run: agreeAndSign },
  { name: 'TLS 1.2 and 1.3 with AES-GCM', run: () => createSecureContext({ minVersion: 'TLSv1.2' }) },
]

/**
 * That this process really has a FIPS provider and nothing beside it: `crypto.setFips(true)` pretends without one, so what counts
 * is what is refused. COFFER_FIPS_UNAVAILABLE, with what to do.
 */
export function assertFips(): void {
  if (getFips() !== 1) throw unavailable('OpenSSL is not in FIPS mode')
  if (!isEnabledByNode())
    throw unavailable('node was not started with --enable-fips, which checks that the provider is active')
  const done = REFUSED.filter(({ run }) => isDone(run)).map(({ name }) => name)
  if (done.length > 0) throw unavailable(`it still does ${done.join(', ')}`)
  const missing = NEEDED.filter(({ run }) => !isDone(run)).map(({ name }) => name)
  if (missing.length > 0) throw unavailable(`it cannot do ${missing.join(', ')}`)
}

/** Node, "--enable-fips": refuses to start without an active provider named `fips`. */
function isEnabledByNode(): boolean {
  const options = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(' ')]
  return options.some((option) => option === '--enable-fips' || option === '--force-fips')
}

function isDone(run: () => unknown): boolean {
  try {
    return run() !== false
  } catch {
    return false
  }
}

/** The GCM Specification (McGrew, Viega), test case 14: a zero key, nonce and block. */
function aesKnownAnswer(): boolean {
  const cipher = createCipheriv('aes-256-gcm', Buffer.alloc(32), Buffer.alloc(12))
  const text = cipher.update(Buffer.alloc(16)).toString('hex')
  cipher.final()
  const tag = cipher.getAuthTag().toString('hex')
  return text === 'cea7403d4d606b6e074ec5d3baf39d18' && tag === 'd0d1c8a799996bf0265b98b5d48ab919'
}

/** RFC 4231, test case 1. */
function hmacKnownAnswer(): boolean {
  const mac = createHmac('sha256', Buffer.alloc(20, 0x0b)).update('Hi There').digest('hex')
  return mac === 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'
}

function agreeAndSign(): boolean {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  diffieHellman({ publicKey, privateKey })
  const data = Buffer.from('self-test')
  return verify('sha256', data, publicKey, sign('sha256', data, privateKey))
}

function unavailable(why: string) {
  return cofferError('COFFER_FIPS_UNAVAILABLE', `${why}; ${WHAT_TO_DO}`)
}
