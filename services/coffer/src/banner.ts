import type { Configuration } from '@coffer/config'
import type { RootCredentials } from './root-account.ts'
import type { RootKey } from './root-key.ts'

export interface BannerFacts {
  readonly configuration: Pick<Configuration, 'address' | 'allowHttp' | 'region'>
  readonly port: number
  readonly workerCount: number
  readonly dataPath: string
  /** The certificate that clients must be given to trust; undefined where a known CA signed it. */
  readonly caPath: string | undefined
  readonly rootKey: RootKey
  readonly credentials: RootCredentials
  /** A person reads this, not a log, which would keep the secret access key. */
  readonly isTerminal: boolean
}

export interface MeshBannerFacts
  extends Pick<BannerFacts, 'configuration' | 'dataPath' | 'caPath' | 'credentials' | 'isTerminal'> {
  /** Of the gateways. */
  readonly ports: readonly number[]
  readonly rootKeyOrigin: string
  /** Variables with which other commands reach this mesh. */
  readonly operatorSettings: string
}

/** The same for a mesh on one machine. */
export function renderMeshBanner(facts: MeshBannerFacts): string {
  const { ports, dataPath, operatorSettings, rootKeyOrigin } = facts
  const rootKey = { origin: rootKeyOrigin, isNew: false }
  const [port = 0] = ports
  const gateways = ports.map((each) => endpointOf({ ...facts, port: each })).join(' and ')
  return [
    `Coffer is ready on ${gateways} (each service a process of its own, data in ${dataPath}).`,
    '',
    ...keyLines({ ...facts, rootKey }),
    '',
    ...clientLines({ ...facts, port }),
    'Other commands of Coffer (key, account, job ...):',
    `  env ${operatorSettings} npx --yes pnpm@12 coffer key list`,
    '',
  ].join('\n')
}

interface KeyOrigin {
  readonly rootKey: Pick<RootKey, 'origin' | 'isNew'>
}

/** What a person needs to begin: printed when the server is ready. Shows the secret key at the first start only, on a terminal. */
export function renderBanner(facts: BannerFacts): string {
  const { workerCount, dataPath, configuration } = facts
  const workers = workerCount === 1 ? '1 worker' : `${workerCount} workers`
  return [
    `Coffer is ready on ${endpointOf(facts)} (${workers}, data in ${dataPath}).`,
    ...(configuration.allowHttp
      ? ['Plain HTTP is answered on the same port: keys and data travel readable there.']
      : []),
    '',
    ...keyLines(facts),
    '',
    ...clientLines(facts),
    '',
  ].join('\n')
}

function endpointOf({ configuration, port }: Pick<BannerFacts, 'configuration' | 'port'>): string {
  const { host } = configuration.address
  const isEveryInterface = host === '' || host === '0.0.0.0' || host === '::'
  const shown = isEveryInterface ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  return `https://${shown}:${port}`
}

function keyLines(facts: Pick<BannerFacts, 'credentials' | 'caPath' | 'isTerminal'> & KeyOrigin): string[] {
  const { credentials, rootKey, caPath, isTerminal } = facts
  const { made, path, accessKeyId } = credentials
  const rootKeyNote = rootKey.isNew ? ' (made now: keep a copy elsewhere; without it nothing can be read)' : ''
  return [
    ...(accessKeyId ? [`  access key id      ${accessKeyId}`] : []),
    ...(made && isTerminal ? [`  secret access key  ${made.secretAccessKey} (shown this once)`] : []),
    ...(path ? [`  kept in            ${path}`] : []),
    `  root key           ${rootKey.origin}${rootKeyNote}`,
    ...(caPath ? [`  CA certificate     ${caPath}`] : []),
  ]
}

/** Lines to paste. The secret is taken from its file or variable, so that it does not end up in a shell's history. */
function clientLines(facts: Pick<BannerFacts, 'configuration' | 'credentials' | 'caPath' | 'port'>): string[] {
  const { credentials, caPath, configuration } = facts
  const endpoint = endpointOf(facts)
  const host = endpoint.slice('https://'.length)
  const ca = caPath && quoted(caPath)
  return [
    'To paste into a shell, once:',
    ...(credentials.path ? [`  . ${quoted(credentials.path)}`] : []),
    '  export AWS_ACCESS_KEY_ID="$COFFER_ROOT_ACCESS_KEY_ID" AWS_SECRET_ACCESS_KEY="$COFFER_ROOT_SECRET_ACCESS_KEY"',
    `  export AWS_REGION=${configuration.region} AWS_DEFAULT_REGION=${configuration.region} AWS_ENDPOINT_URL=${endpoint}${ca ? ` AWS_CA_BUNDLE=${ca}` : ''}`,
    'AWS CLI:',
    '  aws s3 mb s3://photos && aws s3 ls',
    'mc:',
    ...(ca ? [`  mkdir -p ~/.mc/certs/CAs && cp ${ca} ~/.mc/certs/CAs/coffer.crt`] : []),
    `  mc alias set coffer ${endpoint} "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" && mc ls coffer`,
    'rclone:',
    // rclone's S3 library refuses to start where AWS_CA_BUNDLE is set.
    `  ${ca ? 'env -u AWS_CA_BUNDLE ' : ''}rclone lsd ":s3,provider=Other,env_auth=true,region=${configuration.region},endpoint='${endpoint}':"${ca ? ` --ca-cert ${ca}` : ''}`,
    's3cmd:',
    `  s3cmd --host=${host} --host-bucket=${host} --region=${configuration.region}${ca ? ` --ca-certs=${ca}` : ''} ls`,
    'AWS SDK for JavaScript:',
    `  ${ca ? `NODE_EXTRA_CA_CERTS=${ca} ` : ''}node app.js   # new S3Client({ endpoint: '${endpoint}', region: '${configuration.region}', forcePathStyle: true })`,
  ]
}

/** For a POSIX shell; left bare where nothing in it is special. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
