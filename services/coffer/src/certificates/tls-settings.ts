import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { Configuration } from '@coffer/config'
import { cofferError } from '../errors.ts'
import { readTrustedCertificates } from './certificate-files.ts'

/** How the listener speaks TLS; plain data, as workers are sent them. */
export type TlsSettings = Pick<
  Configuration,
  'tlsMinVersion' | 'tlsCiphers' | 'tlsCurves' | 'clientCertificates' | 'clientCaFile' | 'clientCrlFile'
>

export function tlsSettingsOf(configuration: Configuration): TlsSettings {
  const { tlsMinVersion, tlsCiphers, tlsCurves, clientCertificates, clientCaFile, clientCrlFile } = configuration
  return { tlsMinVersion, tlsCiphers, tlsCurves, clientCertificates, clientCaFile, clientCrlFile }
}

/** What a TLS server is given beside its certificate: whom it trusts as a client, and what it agrees to. */
export type TlsMaterial = Pick<SecureContextOptions, 'minVersion' | 'ciphers' | 'ecdhCurve' | 'ca' | 'crl'>

/**
 * Reads the files that the settings name. COFFER_TLS_INVALID: OpenSSL has no such cipher or curve, a file can't be used, or client
 * certificates are asked for and no authority could have issued one.
 */
export async function readTlsMaterial(settings: TlsSettings, certsDirectory: string): Promise<TlsMaterial> {
  const { tlsMinVersion, tlsCiphers, tlsCurves } = settings
  const material: TlsMaterial = {
    minVersion: tlsMinVersion,
    ...(tlsCiphers !== undefined && { ciphers: tlsCiphers }),
    ...(tlsCurves !== undefined && { ecdhCurve: tlsCurves }),
    ...(settings.clientCertificates !== 'off' && (await readClientTrust(settings, certsDirectory))),
  }
  try {
    createSecureContext(material)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw cofferError(
      'COFFER_TLS_INVALID',
      `${reason} (tlsCiphers, tlsCurves, clientCaFile, clientCrlFile)`,
      {},
      { cause },
    )
  }
  return material
}

/** The files that it comes from: a change of one is a reason to read again. */
export function tlsFilesOf({ clientCertificates, clientCaFile, clientCrlFile }: TlsSettings): string[] {
  return clientCertificates === 'off' ? [] : [clientCaFile, clientCrlFile].filter((path) => path !== undefined)
}

async function readClientTrust(
  { clientCaFile, clientCrlFile }: TlsSettings,
  certsDirectory: string,
): Promise<Pick<TlsMaterial, 'ca' | 'crl'>> {
  const ca = clientCaFile === undefined ? await readTrustedCertificates(certsDirectory) : [await read(clientCaFile)]
  if (ca.length === 0) {
    throw cofferError('COFFER_TLS_INVALID', 'client certificates need clientCaFile, or an authority in certs/CAs')
  }
  // OpenSSL then wants a current list of each authority in a certificate's chain (X509_V_FLAG_CRL_CHECK_ALL).
  return { ca, ...(clientCrlFile !== undefined && { crl: await read(clientCrlFile) }) }
}

async function read(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    throw cofferError('COFFER_TLS_INVALID', `cannot read ${path}`, { path }, { cause })
  })
}
