/** Where relays tell how each target does. */
export const REPORTS_TABLE = 'events'

export function reportId(target: string): string {
  return `target/${target}`
}
