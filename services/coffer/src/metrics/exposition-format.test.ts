import { expect, it } from 'vitest'
import { chosenFormat } from './exposition-format.ts'

/** What Prometheus 2 and 3 send (`scrape_protocols`), what a browser, curl and nobody send. */
it.each([
  [
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    true,
  ],
  [
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.1',
    true,
  ],
  ['text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5', false],
  ['application/openmetrics-text;q=0,text/plain', false],
  ['application/openmetrics-text;q=nonsense', false],
  ['text/html,application/xhtml+xml,*/*;q=0.8', false],
  ['*/*', false],
  [undefined, false],
])('%s', (accept, isOpenMetrics) => {
  expect(chosenFormat(accept).startsWith('application/openmetrics-text')).toBe(isOpenMetrics)
})
