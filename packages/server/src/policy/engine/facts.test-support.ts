// Facts of an exchange that never was, for tests.

import type { CompileSettings } from './compile-settings.ts'
import type { Facts, RequestFacts, ResponseFacts } from './facts.ts'

export const SETTINGS: CompileSettings = { phase: 'on_http_request' }

export interface Given {
  request?: Partial<RequestFacts>
  response?: Partial<ResponseFacts>
  facts?: Partial<Facts>
}

/** A signed-out visitor asks for `https://docs.example.com/guide?x=1&x=2&y=a%20b`. */
export function factsOf({ request = {}, response, facts = {} }: Given = {}): Facts {
  return {
    connection: {
      clientIp: '192.0.2.7',
      clientPort: 40_000,
      serverIp: '198.51.100.1',
      serverPort: 443,
      region: 'eu',
      bytesIn: 100,
      bytesOut: 200,
      startedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
      tls: {
        version: '1.3',
        cipherSuite: 'TLS_AES_128_GCM_SHA256',
        sni: 'docs.example.com',
        alpn: 'h2',
        sessionResumed: false,
        client: undefined,
        server: undefined,
      },
    },
    endpoint: {
      id: 'edg_docs',
      protocol: 'https',
      host: 'docs.example.com',
      port: 443,
      url: 'https://docs.example.com',
    },
    request: {
      method: 'GET',
      scheme: 'https',
      host: 'docs.example.com',
      port: undefined,
      path: '/guide',
      rawPath: '/guide',
      query: 'x=1&x=2&y=a%20b',
      version: 'HTTP/1.1',
      rawHeaders: [
        'Host',
        'docs.example.com',
        'User-Agent',
        'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36',
        'X-Token',
        'a',
        'x-token',
        'b',
        'Cookie',
        'sid=1; theme=dark; sid=2',
        'Content-Type',
        'Text/HTML; charset="utf-8"',
        'Content-Length',
        '12',
      ],
      rawTrailers: [],
      headerReceivedAt: Date.UTC(2026, 0, 2, 3, 4, 6),
      bodyReceivedAt: undefined,
      ...request,
    },
    response: response && { statusCode: 200, rawHeaders: [], rawTrailers: [], ...response },
    vars: new Map<string, unknown>([
      ['name', 'ann'],
      ['count', 3n],
      ['list', ['a', 'b']],
      ['flag', true],
    ]),
    results: new Map([['rate_limit', new Map<string, unknown>([['limited', true]])]]),
    lookups: {
      city: () => ({ location: { city: 'Berlin', countryCode: 'DE', latitude: 52.5, isEu: true } }),
      autonomousSystem: () => ({ number: 64_500, organization: 'Example' }),
      lists: () => ['tor'],
      isOn: (name) => (name === 'tor' ? true : name === 'blocklist' ? false : undefined),
    },
    secret: (vault, name) => (vault === 'v' && name === 'n' ? 's3cret' : undefined),
    now: () => Date.UTC(2026, 0, 2, 3, 4, 7),
    ...facts,
  }
}
