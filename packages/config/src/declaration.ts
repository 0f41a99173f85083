import type { ValueKind } from './values.ts'

/** One option, declared once: the flags, the environment variables, the file keys and the manual page all come from it. */
export interface OptionDeclaration<T> {
  readonly value: ValueKind<T>
  readonly environment: `COFFER_${string}`
  /** Command line flag without its dashes. Absent: never on the command line, as other users can read that. */
  readonly flag?: string
  /** What the flag's value is called in the help; absent for an on/off flag. */
  readonly flagValue?: string
  /** false: only from the environment, so that it never rests in a file that is copied around. */
  readonly inFile?: false
  readonly secret?: true
  /** As it would be written; shown in the manual and parsed like any other value. */
  readonly default?: string
  /** Shown where the default is computed. */
  readonly defaultText?: string
  readonly unit?: string
  readonly text: string
}

export type Optional<T> = OptionDeclaration<T> & { readonly default?: never }
export type WithDefault<T> = OptionDeclaration<T> & { readonly default: string }
