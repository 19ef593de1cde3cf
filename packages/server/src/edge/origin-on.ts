/** The origin of a host that visitors reach on the scheme and port of `public_url`. */
export function originOn(publicUrl: URL, host: string): string {
  return `${publicUrl.protocol}//${host}${publicUrl.port ? `:${publicUrl.port}` : ''}`
}
