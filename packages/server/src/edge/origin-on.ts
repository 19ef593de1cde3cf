import { internalOrigin, isInternalHost } from '../values/hosts/internal-host.ts'

/** The origin of a host that visitors reach on the scheme and port of `public_url`, or of an internal endpoint. */
export function originOn(publicUrl: URL, host: string): string {
  if (isInternalHost(host)) return internalOrigin(host)
  return `${publicUrl.protocol}//${host}${publicUrl.port ? `:${publicUrl.port}` : ''}`
}
