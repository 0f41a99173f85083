import { readFile } from 'node:fs/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { cofferError } from '../errors.ts'

/** Certificates that servers are checked against, beside the system's. */
export async function trust(caFile: string | undefined): Promise<void> {
  const path = caFile ?? process.env.AWS_CA_BUNDLE
  if (!path) return
  setDefaultCACertificates([...getCACertificates('default'), await readFile(path, 'utf8')])
}

/** Tokens and credentials travel over TLS only. COFFER_ENDPOINT_INVALID. */
export function checkedEndpoint(text: string): string {
  const url = URL.parse(text)
  if (url?.protocol === 'https:' && url.pathname === '/' && url.username === '') return url.origin
  throw cofferError('COFFER_ENDPOINT_INVALID', `${text} is not of the form https://host:port`)
}
