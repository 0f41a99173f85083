import { getFips } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { arch, platform } from 'node:os'
import { cryptoError } from './errors.ts'

export type DataAlgorithm = SingleLayerAlgorithm | typeof DUAL_LAYER_ALGORITHM
/** What the administrator chooses from. */
export type SingleLayerAlgorithm = 'AES-256-GCM' | 'CHACHA20-POLY1305'
/** DSSE-KMS: AES-256-GCM twice, each time under a key of its own. FORMAT.md, section 4.1. */
export const DUAL_LAYER_ALGORITHM = 'AES-256-GCM-DUAL'

export interface DataAlgorithmRow {
  readonly name: DataAlgorithm
  /** In stored headers; never reused. */
  readonly id: number
  /** Name in node:crypto, of each layer. */
  readonly nodeName: 'aes-256-gcm' | 'chacha20-poly1305'
  readonly layers: 1 | 2
  /** Of each layer. */
  readonly keyBytes: 32
  readonly nonceBytes: 12
  readonly tagBytes: 16
  readonly fipsApproved: boolean
}

/** What object data can be sealed with: NIST SP 800-38D; RFC 8439, section 2.8. */
export const DATA_ALGORITHMS: readonly DataAlgorithmRow[] = [
  {
    name: 'AES-256-GCM',
    id: 1,
    nodeName: 'aes-256-gcm',
    layers: 1,
    keyBytes: 32,
    nonceBytes: 12,
    tagBytes: 16,
    fipsApproved: true,
  },
  {
    name: 'CHACHA20-POLY1305',
    id: 2,
    nodeName: 'chacha20-poly1305',
    layers: 1,
    keyBytes: 32,
    nonceBytes: 12,
    tagBytes: 16,
    fipsApproved: false,
  },
  {
    name: DUAL_LAYER_ALGORITHM,
    id: 3,
    nodeName: 'aes-256-gcm',
    layers: 2,
    keyBytes: 32,
    nonceBytes: 12,
    tagBytes: 16,
    fipsApproved: true,
  },
]

export function algorithmNamed(name: DataAlgorithm): DataAlgorithmRow {
  const row = DATA_ALGORITHMS.find((algorithm) => algorithm.name === name)
  if (row === undefined) throw cryptoError('CRYPTO_HEADER_UNKNOWN', { algorithm: name })
  return row
}

/** CRYPTO_HEADER_UNKNOWN; CRYPTO_NOT_APPROVED for what was stored with an algorithm that FIPS mode has not. */
export function algorithmWithId(id: number): DataAlgorithmRow {
  const row = DATA_ALGORITHMS.find((algorithm) => algorithm.id === id)
  if (row === undefined) throw cryptoError('CRYPTO_HEADER_UNKNOWN', { algorithmId: id })
  if (!row.fipsApproved && getFips() === 1) throw cryptoError('CRYPTO_NOT_APPROVED', { algorithm: row.name })
  return row
}

/**
 * The administrator's choice; `auto`: AES-256-GCM where the CPU has AES instructions or FIPS is on, else ChaCha20-Poly1305.
 * CRYPTO_NOT_APPROVED if FIPS is on and the choice is not of its algorithms.
 */
export function chooseDataAlgorithm(setting: 'auto' | SingleLayerAlgorithm): SingleLayerAlgorithm {
  const isFips = getFips() === 1
  if (setting === 'auto') return isFips || hasAesInstructions() ? 'AES-256-GCM' : 'CHACHA20-POLY1305'
  if (isFips && !algorithmNamed(setting).fipsApproved) throw cryptoError('CRYPTO_NOT_APPROVED', { algorithm: setting })
  return setting
}

function hasAesInstructions(): boolean {
  // Every 64-bit Mac has them. Elsewhere the kernel says; where it can't be asked, AES is the better guess for a server.
  if (platform() === 'darwin') return true
  try {
    const cpu = readFileSync('/proc/cpuinfo', 'utf8')
    return arch() === 'arm64' ? /^Features\s*:.*\baes\b/m.test(cpu) : /^flags\s*:.*\baes\b/m.test(cpu)
  } catch {
    return true
  }
}
