// A very small browser without a screen: a cookie jar per host, one step per request, forms that can be submitted.
// The demo's `--once` and the tests walk through sign-ins with it. It runs no scripts, but sends the form of a page
// that would do so by script.

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'

const MAX_BODY_BYTES = 16 * 1024 * 1024
const MAX_REDIRECTS = 20
const DEADLINE_MS = 20_000

interface Cookie {
  name: string
  value: string
  path: string
  secure: boolean
  httpOnly: boolean
  sameSite: string
  expires: number
}

export interface RequestOptions {
  method?: string
  headers?: Record<string, string>
  body?: string
}

export interface Form {
  method: string
  /** Absolute. */
  action: string
  fields: Record<string, string>
}

/** One answer: redirects are not followed. */
export interface Visit {
  url: string
  status: number
  headers: IncomingHttpHeaders
  body: string
  /** The next address: `Location`, or `Refresh` on a page. Absolute. */
  next: string | undefined
}

export interface BrowserOptions {
  /** Certificates to trust beside the usual ones, PEM. */
  ca?: string
  /** Sent with every request, for example a `user-agent`. */
  headers?: Record<string, string>
  /** Called for every answer, step by step. */
  onVisit?: (visit: Visit) => void
}

export class Browser {
  /** By host name: cookies know no ports. */
  readonly cookies = new Map<string, Map<string, Cookie>>()
  readonly #options: BrowserOptions

  constructor(options: BrowserOptions = {}) {
    this.#options = options
  }

  /** One request as a person's navigation, with the cookies of the host. Follows nothing. */
  async visit(url: string | URL, options: RequestOptions = {}): Promise<Visit> {
    return this.fetch(url, {
      ...options,
      headers: {
        accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
        'sec-fetch-dest': 'document',
        'sec-fetch-mode': 'navigate',
        ...options.headers,
      },
    })
  }

  /** One request with the cookies of the host, but no other headers of a browser. Follows nothing. */
  async fetch(url: string | URL, options: RequestOptions = {}): Promise<Visit> {
    const target = new URL(url)
    const cookie = this.cookieHeader(target)
    const visit = await exchange(
      target,
      { ...options, headers: { ...this.#options.headers, ...(cookie && { cookie }), ...options.headers } },
      this.#options.ca,
    )
    this.#store(target, visit.headers['set-cookie'] ?? [])
    this.#options.onVisit?.(visit)
    return visit
  }

  /** A navigation that follows redirects and refreshes to the page where they end. */
  async open(url: string | URL, options: RequestOptions = {}): Promise<Visit> {
    let visit = await this.visit(url, options)
    for (let step = 0; visit.next !== undefined; step++) {
      if (step === MAX_REDIRECTS) throw new Error(`more than ${MAX_REDIRECTS} redirects, the last from ${visit.url}`)
      visit = await this.visit(visit.next)
    }
    // The one script we know: pages that post themselves, as providers use them between two pages.
    return /\.forms\[0\]\.submit\(\)/.test(visit.body) ? this.submit(visit) : visit
  }

  /** Fills in the page's form (the first, unless `index` says otherwise) and sends it, following redirects. */
  async submit(page: Visit, values: Record<string, string> = {}, index = 0): Promise<Visit> {
    const form = formsOf(page)[index]
    if (!form) throw new Error(`no form on ${page.url} (HTTP ${page.status})`)
    const fields = new URLSearchParams({ ...form.fields, ...values }).toString()
    if (form.method === 'GET') {
      const url = new URL(form.action)
      url.search = fields
      return this.open(url)
    }
    const sameOrigin = new URL(form.action).origin === new URL(page.url).origin
    return this.open(form.action, {
      method: 'POST',
      body: fields,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: new URL(page.url).origin,
        'sec-fetch-site': sameOrigin ? 'same-origin' : 'cross-site',
      },
    })
  }

  /** The value of the Cookie header for a URL; empty without cookies. */
  cookieHeader(url: string | URL): string {
    const { hostname, protocol, pathname } = new URL(url)
    const jar = this.cookies.get(hostname)
    if (!jar) return ''
    const sent: string[] = []
    for (const [key, cookie] of jar) {
      if (cookie.expires <= Date.now()) jar.delete(key)
      else if (pathMatches(pathname, cookie.path) && (!cookie.secure || protocol === 'https:')) {
        sent.push(`${cookie.name}=${cookie.value}`)
      }
    }
    return sent.join('; ')
  }

  /** A cookie of a host by the beginning of its name, or undefined. */
  cookie(hostname: string, namePrefix: string): Cookie | undefined {
    for (const cookie of this.cookies.get(hostname)?.values() ?? []) {
      if (cookie.name.startsWith(namePrefix) && cookie.expires > Date.now()) return cookie
    }
    return undefined
  }

  #store(url: URL, lines: readonly string[]): void {
    let jar = this.cookies.get(url.hostname)
    if (!jar) this.cookies.set(url.hostname, (jar = new Map<string, Cookie>()))
    for (const line of lines) {
      const cookie = parseSetCookie(line)
      const key = `${cookie.name};${cookie.path}`
      if (cookie.expires <= Date.now()) jar.delete(key)
      else jar.set(key, cookie)
    }
  }
}

/** The forms of a page with their hidden and preset fields. Good enough for pages of our own and of oidc-provider. */
export function formsOf(page: Visit): Form[] {
  return [...page.body.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, attributes = '', inside = '']) => {
    const id = attribute(attributes, 'id')
    // Controls outside that name the form belong to it, too.
    const outside = id ? page.body.replace(/<form\b[\s\S]*?<\/form>/gi, '') : ''
    const controls = [
      ...inside.matchAll(/<(?:input|button)\b([^>]*)>/gi),
      ...[...outside.matchAll(/<(?:input|button)\b([^>]*)>/gi)].filter(([, of]) => attribute(of!, 'form') === id),
    ]
    const fields: Record<string, string> = {}
    for (const [, control = ''] of controls) {
      const name = attribute(control, 'name')
      if (name !== undefined) fields[name] = attribute(control, 'value') ?? ''
    }
    return {
      method: (attribute(attributes, 'method') ?? 'get').toUpperCase(),
      action: new URL(attribute(attributes, 'action') ?? page.url, page.url).href,
      fields,
    }
  })
}

/** Node does not resolve `*.localhost`, browsers do: RFC 6761 6.3 says loopback. */
export const lookupLocalhost: LookupFunction = (_hostname, options, callback) => {
  if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
  else callback(null, '127.0.0.1', 4)
}

function exchange(url: URL, options: RequestOptions, ca: string | undefined): Promise<Visit> {
  const { promise, resolve, reject } = Promise.withResolvers<Visit>()
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest
  const request = send(url, {
    method: options.method ?? 'GET',
    headers: {
      ...options.headers,
      ...(options.body !== undefined && { 'content-length': String(Buffer.byteLength(options.body)) }),
    },
    agent: false,
    signal: AbortSignal.timeout(DEADLINE_MS),
    ...(ca !== undefined && { ca }),
    ...(url.hostname === 'localhost' || (url.hostname.endsWith('.localhost') && isIP(url.hostname) === 0)
      ? { lookup: lookupLocalhost }
      : {}),
  })
  request.once('error', reject)
  request.once('response', (response) => {
    const chunks: Buffer[] = []
    let length = 0
    response.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > MAX_BODY_BYTES) request.destroy(new Error(`more than ${MAX_BODY_BYTES} bytes from ${url.href}`))
      else chunks.push(chunk)
    })
    response.once('error', reject)
    response.once('end', () => {
      const status = response.statusCode ?? 0
      const refresh = /^\s*\d+\s*;\s*url=(.+)$/i.exec(String(response.headers.refresh ?? ''))?.[1]
      const next = status >= 300 && status < 400 ? response.headers.location : refresh
      resolve({
        url: url.href,
        status,
        headers: response.headers,
        body: Buffer.concat(chunks).toString('utf8'),
        next: next === undefined ? undefined : new URL(next, url).href,
      })
    })
  })
  request.end(options.body)
  return promise
}

function parseSetCookie(line: string): Cookie {
  const [pair = '', ...attributes] = line.split(';').map((part) => part.trim())
  const cut = pair.indexOf('=')
  const cookie: Cookie = {
    name: pair.slice(0, cut),
    value: pair.slice(cut + 1),
    path: '/',
    secure: false,
    httpOnly: false,
    sameSite: '',
    expires: Infinity,
  }
  let maxAge: string | undefined
  for (const written of attributes) {
    const [name = '', value = ''] = written.split('=')
    switch (name.toLowerCase()) {
      case 'path':
        cookie.path = value || '/'
        break
      case 'secure':
        cookie.secure = true
        break
      case 'httponly':
        cookie.httpOnly = true
        break
      case 'samesite':
        cookie.sameSite = value.toLowerCase()
        break
      case 'expires':
        cookie.expires = Date.parse(value)
        break
      case 'max-age':
        maxAge = value
        break
    }
  }
  // RFC 6265 5.3: Max-Age wins over Expires.
  if (maxAge !== undefined) cookie.expires = Date.now() + Number(maxAge) * 1000
  return cookie
}

/** RFC 6265 5.1.4. */
function pathMatches(path: string, cookiePath: string): boolean {
  return path === cookiePath || path.startsWith(cookiePath.endsWith('/') ? cookiePath : `${cookiePath}/`)
}

function attribute(tag: string, name: string): string | undefined {
  const found = new RegExp(`(?:^|\\s)${name}=(?:"([^"]*)"|'([^']*)'|([^\\s>]*))`, 'i').exec(tag)
  const value = found?.[1] ?? found?.[2] ?? found?.[3]
  return value
    ?.replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&#x2F;', '/')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}
