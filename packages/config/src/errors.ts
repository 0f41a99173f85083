import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way a configuration can be refused. Codes are API. */
export const CONFIG_ERRORS = {
  CONFIG_UNKNOWN_OPTION: 'no such option',
  CONFIG_INVALID_VALUE: 'this option does not take this value',
  CONFIG_FILE_UNREADABLE: 'the configuration file cannot be read',
  CONFIG_FILE_MALFORMED: 'the configuration file is not a YAML or JSON mapping of options',
} as const

export type ConfigErrorCode = keyof typeof CONFIG_ERRORS

/** `message` says which option, where it came from and what is allowed; never a secret value. */
export function configError(
  code: ConfigErrorCode,
  message: string,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message, ...(details && { details }) }, options)
}
