export { readConfigFile } from './config-file.ts'
export type { OptionDeclaration } from './declaration.ts'
export { CONFIG_ERRORS, type ConfigErrorCode } from './errors.ts'
export {
  CONFIG_FILE_VARIABLE,
  type Configuration,
  declarationOf,
  type OptionName,
  optionNames,
} from './options.ts'
export { type ConfigurationInput, type ResolvedConfiguration, resolveConfiguration } from './resolve.ts'
export type { HostPort } from './values.ts'
