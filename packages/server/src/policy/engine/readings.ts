// Questions about the variables that an expression or a template reads. Pure: no I/O, no clock.

type Reads = ReadonlySet<string>

/**
 * Whether the result can differ between the raw path and its normal form. If so, section 14.2 of the reference wants it evaluated
 * for both, like routes.
 */
export function dependsOnReading(reads: Reads): boolean {
  return PATHS.some((path) => reads.has(path)) || some(reads, (path) => VARS.test(path) || RESULTS_OF_PATH.test(path))
}

/**
 * Whether it reads the path in any form. If so, its edge answers 400 to a path that has a dot segment at any level of
 * decoding.
 */
export function readsPath(reads: Reads): boolean {
  return PATHS.some((path) => reads.has(path)) || RAW_PATHS.some((path) => reads.has(path))
}

/** Whether it reads the certificate of the visitor. */
export function readsClientCertificate(reads: Reads): boolean {
  return some(reads, (path) => path === 'conn.tls.client' || path.startsWith('conn.tls.client.'))
}

/**
 * Whether it reads a result of an action: itself, something in it, or something around it.
 * @param result without its prefix: `oidc.identity`
 */
export function readsResult(reads: Reads, result: string): boolean {
  return some(reads, (path) => {
    const [, part] = /^actions(?:\.\w+\.?)?(.*)$/.exec(path) ?? []
    return part !== undefined && (isWithin(part, result) || isWithin(result, part))
  })
}

function isWithin(inner: string, outer: string): boolean {
  return outer === '' || inner === outer || inner.startsWith(`${outer}.`)
}

/**
 * Whether it reads something that must not be logged (section 14.10 of the reference): secrets, tokens, cookies, credentials, and
 * whole maps of headers, which can contain them.
 */
export function readsSecrets(reads: Reads): boolean {
  return some(reads, (path) => SECRET.test(path) || SECRET_HEADER.test(path))
}

/** A variable may have been made from the path. */
const VARS = /^vars(?:\.|$)/
/** Results with the URL in them, or with values that were made from it. */
const RESULTS_OF_PATH = /^actions(?:\.\w+(?:\.(?:url_rewrite|redirect|log)(?:\..*)?)?)?$/
const PATHS = ['req', 'req.url', 'req.url.path', 'req.url.uri']
const RAW_PATHS = ['req.url.raw', 'req.url.raw_path']
const SECRET =
  /^(?:req|res|secrets\.get|re[qs]\.(?:headers|trailers)|re[qs]\.cookies(?:\..*)?|last_attempt(?:\..*)?|actions(?:\.\w+){0,2}|actions\.\w+\.(?:(?:oidc|oauth)\.\w*token\w*|jwt_validation\.tokens(?:\..*)?|(?:add|set)_headers\..*|http_request\..*))$/
const SECRET_HEADER = /^re[qs]\.headers\.(?:authorization|proxy-authorization|cookie|set-cookie|sallyport-auth-jwt)$/

function some(reads: Reads, test: (path: string) => boolean): boolean {
  for (const path of reads) if (test(path)) return true
  return false
}
