import {
  type Configuration,
  declarationOf,
  type OptionName,
  optionNames,
  type ResolvedConfiguration,
  resolveConfiguration,
} from '@coffer/config'
import { type Command, Option } from 'commander'

/** Options that say where the data is and which key opens it: every command that touches the store takes them. */
export const STORE_OPTIONS: readonly OptionName[] = [
  'dataDir',
  'rootKeyFile',
  'rootKeyCommand',
  'blobsFile',
  'kmsFile',
  'fips',
  'metadataUrl',
  'metadataPasswordFile',
  'metadataCaFile',
  'metadataCertFile',
  'metadataKeyFile',
  'logLevel',
  'logFormat',
]

export const MESH_OPTIONS: readonly OptionName[] = optionNames().filter((name) => /^(nats|mesh)/.test(name))

/** Gives a command the flags of these options, and `--config`. Values stay as written: the configuration parses them. */
export function addOptionFlags(command: Command, names: readonly OptionName[]): Command {
  command.option('--config <path>', 'configuration file (YAML or JSON) [COFFER_CONFIG]')
  for (const name of names) {
    const { flag, flagValue, text, environment, default: fallback, defaultText } = declarationOf(name)
    if (flag === undefined) continue
    const shownDefault = fallback ?? defaultText
    const description = `${text} [${environment}]${shownDefault === undefined ? '' : ` (default: ${shownDefault})`}`
    command.addOption(new Option(flagValue ? `--${flag} <${flagValue}>` : `--${flag}`, description))
  }
  return command
}

/** The configuration that flags, environment and file give together. */
export function configurationOf(command: Command): ResolvedConfiguration {
  const given: Record<string, unknown> = command.opts()
  const flags: Partial<Record<OptionName, unknown>> = {}
  for (const name of optionNames()) {
    const { flag } = declarationOf(name)
    if (flag !== undefined) flags[name] = given[attributeOf(flag)]
  }
  const configFile = typeof given.config === 'string' ? given.config : undefined
  return resolveConfiguration({ flags, configFile, environment: process.env })
}

export function configurationValues(command: Command): Configuration {
  return configurationOf(command).values
}

/** The property under which commander keeps a flag. */
function attributeOf(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
