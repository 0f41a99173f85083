import { readConfigFile } from './config-file.ts'
import { configError } from './errors.ts'
import { nearestName } from './nearest-name.ts'
import { CONFIG_FILE_VARIABLE, type Configuration, declarationOf, type OptionName, optionNames } from './options.ts'

export interface ConfigurationInput {
  /** Flags as parsed, by option name; an on/off flag that was given is `true`. Undefined values count as not given. */
  readonly flags?: Partial<Record<OptionName, unknown>>
  /** Path given with --config; comes before COFFER_CONFIG. */
  readonly configFile?: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface ResolvedConfiguration {
  readonly values: Configuration
  /** Where each value came from: `--data-dir`, `COFFER_DATA_DIR`, `dataDir in coffer.yaml`, `default`. */
  readonly origins: Readonly<Partial<Record<OptionName, string>>>
}

interface Given {
  readonly raw: unknown
  readonly origin: string
}

/**
 * The configuration from flags, environment, file and defaults, in this order of precedence. An unknown variable or key
 * and a bad value stop here: CONFIG_UNKNOWN_OPTION, CONFIG_INVALID_VALUE, CONFIG_FILE_UNREADABLE, CONFIG_FILE_MALFORMED.
 *
 * @example resolveConfiguration({ environment: process.env }).values.address // { host: '127.0.0.1', port: 9000 }
 */
export function resolveConfiguration(input: ConfigurationInput): ResolvedConfiguration {
  refuseUnknownVariables(input.environment)
  const path = input.configFile ?? (input.environment[CONFIG_FILE_VARIABLE] || undefined)
  const file = path === undefined ? undefined : { path, keys: readConfigFile(path) }
  if (file) refuseUnknownKeys(file)

  const values: Partial<Record<OptionName, unknown>> = {}
  const origins: Partial<Record<OptionName, string>> = {}
  for (const name of optionNames()) {
    const given = find(name, input, file)
    values[name] = given && parse(name, given)
    if (given) origins[name] = given.origin
  }
  // Each value was parsed by its own declaration's schema, from which Configuration is derived.
  return { values: values as Configuration, origins }
}

function find(
  name: OptionName,
  input: ConfigurationInput,
  file: { path: string; keys: Record<string, unknown> } | undefined,
): Given | undefined {
  const declaration = declarationOf(name)
  const flag = input.flags?.[name]
  if (flag !== undefined) return { raw: flag, origin: `--${declaration.flag ?? name}` }
  const variable = input.environment[declaration.environment]
  // An empty variable is how containers and service files say "not set".
  if (variable) return { raw: variable, origin: declaration.environment }
  const key = file?.keys[name]
  if (file && key !== undefined && key !== null) return { raw: key, origin: `${name} in ${file.path}` }
  return declaration.default === undefined ? undefined : { raw: declaration.default, origin: 'default' }
}

function parse(name: OptionName, { raw, origin }: Given): unknown {
  const { value, secret } = declarationOf(name)
  const parsed = value.schema.safeParse(raw)
  if (parsed.success) return parsed.data
  const shown = secret ? '' : `: ${JSON.stringify(raw)}`
  const message = `${name} (from ${origin}) has a value that is not allowed${shown}. Allowed: ${value.allowed}.`
  throw configError('CONFIG_INVALID_VALUE', message, { option: name, origin, allowed: value.allowed })
}

function refuseUnknownVariables(environment: ConfigurationInput['environment']): void {
  const known = [CONFIG_FILE_VARIABLE, ...optionNames().map((name) => declarationOf(name).environment)]
  for (const variable of Object.keys(environment)) {
    if (variable.startsWith('COFFER_') && !known.includes(variable)) {
      throw unknownOption(variable, 'the environment', known)
    }
  }
}

function refuseUnknownKeys(file: { path: string; keys: Record<string, unknown> }): void {
  const known = optionNames().filter((name) => declarationOf(name).inFile !== false)
  for (const key of Object.keys(file.keys)) {
    if (!known.some((name) => name === key)) throw unknownOption(key, file.path, known)
  }
}

function unknownOption(name: string, origin: string, known: readonly string[]): Error {
  const suggestion = nearestName(name, known)
  const hint = suggestion ? ` Did you mean ${suggestion}?` : ''
  const message = `${name} (from ${origin}) is no option of Coffer.${hint} Known: ${known.join(', ')}.`
  return configError('CONFIG_UNKNOWN_OPTION', message, { option: name, origin, ...(suggestion && { suggestion }) })
}
