import { Filter } from 'ldapts'

/** A filter from its template, with values that can't be more than values (RFC 4515, section 3). In one pass: a value may hold `%d`. */
export function fillFilter(template: string, values: { readonly s: string; readonly d?: string }): string {
  return template.replaceAll(/%([sd])/g, (whole, name: 's' | 'd') => {
    const value = values[name]
    return value === undefined ? whole : Filter.escape(value)
  })
}
