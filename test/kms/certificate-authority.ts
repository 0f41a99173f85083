import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface IssuedFiles {
  readonly certFile: string
  readonly keyFile: string
}

export interface IssueOptions {
  /** `/O=Example/CN=agent`. */
  readonly subject?: string
  /** Lines of a section of openssl's configuration: `URI.1=spiffe://example.org/agent`. */
  readonly alternativeNames?: readonly string[]
  readonly days?: number
}

/** An authority for one suite, made with the openssl program: certificates of servers and clients, as files. */
export class CertificateAuthority {
  readonly caFile: string
  readonly #caKeyFile: string
  readonly #directory = mkdtempSync(join(tmpdir(), 'coffer-ca-'))
  readonly #openssl: string
  #count = 0

  constructor(openssl: string) {
    this.#openssl = openssl
    const files = this.#selfSigned('authority', ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'])
    this.caFile = files.certFile
    this.#caKeyFile = files.keyFile
  }

  issue(
    commonName: string,
    usage: 'serverAuth' | 'clientAuth',
    {
      subject = `/CN=${commonName}`,
      alternativeNames = ['DNS.1=localhost', 'IP.1=127.0.0.1'],
      days = 2,
    }: IssueOptions = {},
  ): IssuedFiles {
    const { certFile, keyFile } = this.#next()
    const request = `${certFile}.csr`
    const extensions = this.fileWith(
      [
        `extendedKeyUsage=${usage}`,
        'keyUsage=critical,digitalSignature',
        'basicConstraints=critical,CA:FALSE',
        'subjectAltName=@names',
        '[names]',
        ...alternativeNames,
      ].join('\n'),
    )
    this.#run('req', '-new', ...NEW_KEY, '-keyout', keyFile, '-out', request, '-subj', subject)
    const signing = ['-CA', this.caFile, '-CAkey', this.#caKeyFile, '-CAcreateserial', '-days', String(days)]
    this.#run('x509', '-req', '-in', request, ...signing, '-extfile', extensions, '-out', certFile)
    return { certFile, keyFile }
  }

  /** A list that revokes these certificates, in a file (openssl-ca(1)). */
  revoke(certFiles: readonly string[], days = 2): string {
    const [database, crlFile] = [this.fileWith(''), join(this.#directory, `list-${this.#count++}.pem`)]
    writeFileSync(database, '')
    const configuration = this.fileWith(
      `[ca]\ndefault_ca=it\n[it]\ndatabase=${database}\ndefault_md=sha256\ndefault_crl_days=${days}`,
    )
    const ca = ['ca', '-config', configuration, '-cert', this.caFile, '-keyfile', this.#caKeyFile]
    for (const certFile of certFiles) this.#run(...ca, '-revoke', certFile)
    this.#run(...ca, '-gencrl', '-out', crlFile)
    return crlFile
  }

  /** A file with a secret, for its owner alone. */
  fileWith(text: string): string {
    const path = join(this.#directory, `file-${this.#count++}`)
    writeFileSync(path, `${text}\n`, { mode: 0o600 })
    return path
  }

  dispose(): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #selfSigned(commonName: string, more: readonly string[]): IssuedFiles {
    const { certFile, keyFile } = this.#next()
    const subject = ['-subj', `/CN=${commonName}`, '-days', '2']
    this.#run('req', '-x509', ...NEW_KEY, '-keyout', keyFile, '-out', certFile, ...subject, ...more)
    return { certFile, keyFile }
  }

  #next(): IssuedFiles {
    const name = join(this.#directory, `certificate-${this.#count++}`)
    return { certFile: `${name}.pem`, keyFile: `${name}.key` }
  }

  #run(...args: string[]): void {
    execFileSync(this.#openssl, args, { stdio: 'pipe' })
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
